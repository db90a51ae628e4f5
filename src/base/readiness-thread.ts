import { END_SERIAL, waitOn } from "./epoll.ts";

// The entry of the thread that waits for events of pipes: see `Readiness`. It never stands: no program can hold up epoll_wait(2), which takes no lock of a pipe.

declare const self: Worker;

self.onmessage = ({ data: epoll }: MessageEvent<number>) => {
  for (;;) {
    const events = waitOn(epoll);
    if (events.length > 0) self.postMessage(JSON.stringify(events));
    if (events.some(([, serial]) => serial === END_SERIAL)) return;
  }
};
