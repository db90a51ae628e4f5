import { readSync, writeSync } from "node:fs";
import { acceptNow, closeFd, connectUnix, listenUnix } from "../../src/base/libc.ts";
import { makeTempDir } from "./temp-dir.ts";

/** Two ends of a Unix socket; what is written to one stays unread until the other is read. */
export function socketPair() {
  using dir = makeTempDir();
  const path = dir.at("pair");
  const listenFd = listenUnix(path, 1);
  const connected = connectUnix(path);
  const fd = acceptNow(listenFd);
  closeFd(listenFd);
  if (connected.kind !== "connected" || fd === undefined) throw new Error("no connection was made");
  const { fd: peerFd } = connected;
  let isPeerOpen = true;
  const hangUp = () => {
    if (isPeerOpen) closeFd(peerFd);
    isPeerOpen = false;
  };
  return {
    fd,
    peerFd,
    /** The other end sends something. */
    sendBack: (bytes: number) => void writeSync(peerFd, new Uint8Array(bytes)),
    /** The other end reads so much. */
    readBack: (bytes: number) => readSync(peerFd, new Uint8Array(bytes)),
    /** The other end closes. */
    hangUp,
    [Symbol.dispose]() {
      hangUp();
      closeFd(fd);
    },
  };
}
