// A thread for tests: it stands as long as it is told to, and then says for whom; or fails, after as long below 0.

declare const self: Worker;

const nobody = new Int32Array(new SharedArrayBuffer(4));

self.onmessage = ({ data }: MessageEvent<string>) => {
  const { who, ms } = JSON.parse(data) as { who: string; ms: number };
  self.postMessage(JSON.stringify({ notice: who }));
  Atomics.wait(nobody, 0, 0, Math.abs(ms));
  if (ms < 0) throw new Error("no memory");
  self.postMessage(JSON.stringify({ who }));
};
