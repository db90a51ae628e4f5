// A thread for tests that stands over each process for as many milliseconds as its pid says, those with the least first.

declare const self: Worker;

const nobody = new Int32Array(new SharedArrayBuffer(4));

// A module of its own.
export {};

self.onmessage = ({ data }: MessageEvent<string>) => {
  for (const ms of (JSON.parse(data) as number[]).toSorted((a, b) => a - b)) {
    Atomics.wait(nobody, 0, 0, ms);
    self.postMessage(JSON.stringify([ms, `${ms}\0`]));
  }
};
