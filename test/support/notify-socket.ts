import { readFileSync } from "node:fs";
import { waitUntil } from "./wait-until.ts";

/** What a service manager hears: a datagram socket, and a file with every message. */
export interface NotifySocket extends AsyncDisposable {
  readonly address: string;
  /** Every message so far, each with the sender's pid in front: "123 READY=1". */
  messages(): string[];
}

/** Listens at a path, or with "@" in front at an abstract name. */
export async function listenForNotifications(address: string, folder: string): Promise<NotifySocket> {
  const file = `${folder}/notifications`;
  const script = `
import socket, struct, sys
name = sys.argv[1]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
s.bind("\\0" + name[1:] if name.startswith("@") else name)
with open(sys.argv[2], "w") as out:
    print("listening", file=out, flush=True)
    while True:
        data, ancillary, _, _ = s.recvmsg(4096, 64)
        pid = struct.unpack("3i", ancillary[0][2])[0] if ancillary else 0
        print(pid, data.decode().replace("\\n", " "), file=out, flush=True)
`;
  const child = Bun.spawn(["python3", "-c", script, address, file], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  const read = () => {
    try {
      return readFileSync(file, "utf8").trim().split("\n");
    } catch {
      return [];
    }
  };
  await waitUntil("the notify socket", () => read().length > 0);
  return {
    address,
    messages: () => read().slice(1),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}
