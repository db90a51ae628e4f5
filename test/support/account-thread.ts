// A thread for tests: looks users up again and again, and says how often another one was found.
import { accountOf, groupId } from "../../src/base/accounts.ts";

declare const self: Worker;

self.onmessage = ({ data }: MessageEvent<string>) => {
  const { name, uid, times } = JSON.parse(data) as { name: string; uid: number; times: number };
  let wrong = 0;
  for (let i = 0; i < times; i++) {
    const found = accountOf(name);
    if (found?.uid !== uid || found.name !== name || groupId(name) !== uid) wrong++;
  }
  self.postMessage(wrong);
};
