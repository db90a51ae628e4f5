import { expect, test } from "bun:test";
import { fstatSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { systemClock } from "../../src/base/clock.ts";
import { closeFd, openPipe } from "../../src/base/libc.ts";
import { createLog } from "../../src/base/log.ts";
import type { Program } from "../../src/start/program.ts";
import { Reaper } from "../../src/start/reaper.ts";
import { Starter } from "../../src/start/starter.ts";
import { appConfig } from "../support/app-config.ts";
import { isOpenAs } from "../support/open-file.ts";
import { makeTempDir } from "../support/temp-dir.ts";

const log = createLog({ level: "error", format: "plain", reader: () => "other", write: () => {} });

/** Plain CGI: what the shell runs. */
function shellProgram(words: string): Program {
  const argv = ["/bin/sh", "-c", words] as const;
  const app = appConfig({ protocol: "cgi", user: process.geteuid?.() === 0 ? "root" : "" });
  const common = { key: "k", name: "k", script: argv[0], owner: undefined, ownedFile: undefined };
  return { ...common, argv, cwd: "/", version: "", generation: "", role: "responder", app };
}

test("a process gets what its order named, and nobody else has it any more when it has begun", async () => {
  using dir = makeTempDir();
  const reaper = new Reaper(systemClock, { adopts: false });
  const starter = new Starter({ clock: systemClock, log, reaper });
  const program = shellProgram("cat; echo said >&2");
  writeFileSync(dir.at("input"), "what it was sent");
  const stdin = openSync(dir.at("input"), "r");
  const [stdout, stderr] = [openPipe(), openPipe()];
  const given = [stdin, stdout.writeFd, stderr.writeFd];
  const inodes = given.map((fd) => fstatSync(fd).ino);
  let openAtStart: unknown;
  const ended = Promise.withResolvers<unknown>();
  starter.start(
    { program, stdio: [stdin, stdout.writeFd, stderr.writeFd], request: [], instance: "test" },
    {
      onStarted() {
        openAtStart = given.filter((fd, i) => isOpenAs(fd, inodes[i] as number));
      },
      onStartFailed: (error) => ended.resolve(error.message),
      onExit: ({ code }) => ended.resolve(code),
    },
  );
  expect(await ended.promise).toBe(0);
  expect(readFileSync(stdout.readFd, "latin1")).toBe("what it was sent");
  expect(readFileSync(stderr.readFd, "latin1")).toBe("said\n");
  expect(openAtStart).toEqual([]);
  for (const fd of [stdout.readFd, stderr.readFd]) closeFd(fd);
  reaper.close();
});

test("a process has the umask that the daemon had, not one that holds for the moment in which its thread begins", async () => {
  const reaper = new Reaper(systemClock, { adopts: false });
  const own = process.umask();
  const starter = new Starter({ clock: systemClock, log, reaper });
  const ended = Promise.withResolvers<unknown>();
  const [stdin, stdout, stderr] = [openPipe(), openPipe(), openPipe()];
  process.umask(0o177);
  try {
    starter.start(
      {
        program: shellProgram("umask"),
        stdio: [stdin.readFd, stdout.writeFd, stderr.writeFd],
        request: [],
        instance: "test",
      },
      {
        onStarted() {},
        onStartFailed: (error) => ended.resolve(error.message),
        onExit: ({ code }) => ended.resolve(code),
      },
    );
    expect(await ended.promise).toBe(0);
  } finally {
    process.umask(own);
  }
  closeFd(stdin.writeFd);
  expect(Number.parseInt(readFileSync(stdout.readFd, "latin1"), 8)).toBe(own);
  for (const { readFd } of [stdout, stderr]) closeFd(readFd);
  reaper.close();
});
