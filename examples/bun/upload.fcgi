#!/usr/bin/env bun
// Stores the request's body, a file of 4 MiB at most. UPLOAD_FOLDER=… says where.
// Try it with: curl --data-binary @photo.jpg http://localhost/upload.fcgi
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { serve } from "./fastcgi.ts";

const MAX_BYTES = 4 * 1024 * 1024;
const folder = process.env.UPLOAD_FOLDER;

/** 201 when all of the body is in the file; else the status that says why not. */
async function store(body: ReadableStream<Uint8Array> | null, path: string): Promise<number> {
  const file = Bun.file(path).writer();
  let total = 0;
  try {
    for await (const chunk of body ?? []) {
      total += chunk.length;
      if (total > MAX_BYTES) return 413;
      file.write(chunk);
      await file.flush();
    }
    return 201;
  } finally {
    await file.end();
  }
}

serve(async (request) => {
  if (!folder) return new Response("UPLOAD_FOLDER is not set.\n", { status: 500 });
  // The name is ours: one that a client chooses may hold anything.
  const name = `upload-${crypto.randomUUID()}`;
  const status = await store(request.body, join(folder, name)).catch(() => 500);
  if (status === 201) return new Response(`${name}\n`, { status });
  await rm(join(folder, name), { force: true });
  return new Response("Nothing was stored.\n", { status });
});
