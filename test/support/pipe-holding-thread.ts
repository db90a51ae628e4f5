import { dlopen, FFIType } from "bun:ffi";

// A thread that holds the lock of a pipe: see `holdPipe`.

declare const self: Worker;

const { i32, u64, ptr } = FFIType;
const { symbols } = dlopen("libc.so.6", {
  gettid: { args: [], returns: i32 },
  fcntl: { args: [i32, i32, i32], returns: i32 },
  splice: { args: [i32, ptr, i32, ptr, u64, i32], returns: i32 },
});
const F_SETFL = 4;

self.onmessage = ({ data: [socketFd, writeFd] }: MessageEvent<[number, number]>) => {
  symbols.fcntl(socketFd, F_SETFL, 0);
  self.postMessage(symbols.gettid());
  symbols.splice(socketFd, null, writeFd, null, 65_536, 0);
  self.postMessage(0);
};
