import { type FileHandle, open } from "node:fs/promises";
import { errnoOf } from "../base/errors.ts";
import { UsageError } from "./arguments.ts";

/** What a request sends. */
export interface RequestBody {
  readonly content: ReadableStream<Uint8Array> | Uint8Array;
  /** Bytes; undefined where nobody knows before the end: then std-fpm takes the body whole, and tells the program its length. */
  readonly length: number | undefined;
  close(): Promise<void>;
}

/** Opens what `--body` names: a file, a pipe, a device, or - for standard input. @throws UsageError. */
export async function openBody(file: string): Promise<RequestBody> {
  if (file === "-") return { content: Bun.stdin.stream(), length: undefined, async close() {} };
  const handle = await openFile(file);
  const stats = await handle.stat();
  if (stats.isDirectory()) {
    await handle.close();
    throw new UsageError(`request: --body: ${file} is a folder`);
  }
  const close = () => handle.close();
  const source = Bun.file(handle.fd);
  if (!stats.isFile()) return { content: source.stream(), length: undefined, close };
  if (stats.size > 0) return { content: source.stream(), length: stats.size, close };
  // Those in /proc say that they are empty.
  const content = await source.bytes();
  return { content, length: content.length, close };
}

async function openFile(file: string): Promise<FileHandle> {
  try {
    return await open(file);
  } catch (thrown) {
    const errno = errnoOf(thrown);
    if (errno === "") throw thrown;
    throw new UsageError(`request: --body: ${whyNot(file, errno)}`);
  }
}

function whyNot(file: string, errno: string): string {
  if (errno === "ENOENT" || errno === "ENOTDIR") return `there is no file ${file}`;
  if (errno === "EACCES") return `permission denied: ${file} may not be read`;
  if (errno === "ENXIO") return `${file} is a socket, or a device that is not there`;
  return `${file} cannot be read (${errno})`;
}
