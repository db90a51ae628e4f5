import { mkdirSync } from "node:fs";

/** Mounts a file system that never answers, as a network disk that is gone; it is there until it is disposed of. */
const MOUNT = `
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
where = sys.argv[1].encode()
fd = os.open("/dev/fuse", os.O_RDWR)
if libc.mount(b"hung", where, b"fuse", 0, b"fd=%d,rootmode=40000,user_id=0,group_id=0" % fd):
    sys.exit(os.strerror(ctypes.get_errno()))
print("mounted", flush=True)
sys.stdin.read()
os.close(fd)
libc.umount2(where, 2)
`;

/** Undefined where nothing may be mounted: to nobody but root, and not in every container. */
export async function hangDisk(folder: string): Promise<AsyncDisposable | undefined> {
  mkdirSync(folder, { recursive: true });
  const child = Bun.spawn(["python3", "-c", MOUNT, folder], { stdio: ["pipe", "pipe", "ignore"] });
  const { value } = await child.stdout.getReader().read();
  if (value === undefined) return undefined;
  return {
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      await child.exited;
    },
  };
}
