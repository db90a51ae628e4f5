import { expect, test } from "bun:test";
import { copyFileSync, mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { exchange } from "../support/http-exchange.ts";
import { startNginx } from "../support/nginx.ts";
import { checkPattern, patternBytes } from "../support/pattern.ts";
import { spawnFcgi } from "../support/spawn-fcgi.ts";
import { makeTempDir } from "../support/temp-dir.ts";

// What the other integration tests rely on: nginx and a program without std-fpm between them.
async function startWithoutManager() {
  const dir = makeTempDir();
  mkdirSync(dir.at("www"));
  copyFileSync(resolve("dist/test-programs/lab"), dir.at("www/lab.fcgi"));
  const program = await spawnFcgi(dir.at("www/lab.fcgi"), dir.at("lab.sock"), 2);
  const nginx = await startNginx({
    folder: dir.at("nginx"),
    root: dir.at("www"),
    fastcgi: `unix:${program.socket}`,
  });
  return {
    port: nginx.port,
    async [Symbol.asyncDispose]() {
      await nginx.stop();
      await program.stop();
      dir[Symbol.dispose]();
    },
  };
}

test("an exchange knows the bytes of the pattern and that an answer is complete", async () => {
  await using bare = await startWithoutManager();
  const check = checkPattern();
  const answer = await exchange({
    port: bare.port,
    path: "/direct/lab.fcgi?op=download&bytes=3000000",
    onBody: check.take,
  });
  expect([answer.status, answer.end, check.length]).toEqual([200, "complete", 3_000_000]);
});

test("an exchange tells an aborted transfer from a complete one", async () => {
  await using bare = await startWithoutManager();
  const answer = await exchange({ port: bare.port, path: "/kept/lab.fcgi?op=die-in-answer&bytes=50000" });
  expect([answer.status, answer.end]).toEqual([200, "aborted"]);
});

test("an exchange sends chunked and counted bodies alike", async () => {
  await using bare = await startWithoutManager();
  const bytes = patternBytes(300 * 1024);
  for (const length of [bytes.length, "chunked"] as const) {
    const answer = await exchange({
      port: bare.port,
      path: "/direct/lab.fcgi?op=echo",
      body: { chunks: [bytes.subarray(0, 100_000), bytes.subarray(100_000)], length },
    });
    expect(answer.end).toBe("complete");
    expect(Buffer.compare(answer.body, bytes)).toBe(0);
  }
});

test("a HEAD request is complete without a body", async () => {
  await using bare = await startWithoutManager();
  const answer = await exchange({
    port: bare.port,
    path: "/direct/lab.fcgi?op=download&bytes=9",
    method: "HEAD",
  });
  expect([answer.status, answer.end, answer.bodyLength]).toEqual([200, "complete", 0]);
});
