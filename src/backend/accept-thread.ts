import { fstatSync } from "node:fs";
import { acceptNow, closeFd } from "../base/libc.ts";
import type { AcceptAnswer, AcceptOrder } from "./acceptor.ts";

// The entry of a thread that accepts connections on the sockets of programs: see `Acceptor`. A program can have it stand.

declare const self: Worker;

self.onmessage = ({ data }: MessageEvent<string>) => {
  const { kind, fd } = JSON.parse(data) as AcceptOrder;
  const accepted = kind === "accept" ? acceptNow(fd) : undefined;
  const answer: AcceptAnswer = accepted === undefined ? {} : { accepted, inode: fstatSync(accepted).ino };
  // Whoever connected may have sent descriptors along, and closing those may take a while, too.
  if (kind === "close") closeFd(fd);
  self.postMessage(JSON.stringify(answer));
};
