import { describe, expect, test } from "bun:test";
import { chmodSync, chownSync, readFileSync } from "node:fs";
import { createLog } from "../../src/base/log.ts";
import { encodeStream } from "../../src/fcgi/encoder.ts";
import { FCGI_STDIN } from "../../src/fcgi/protocol.ts";
import type { FrontRequest } from "../../src/front/request.ts";
import { connectFcgi } from "../support/fcgi-connection.ts";
import { frontAt } from "../support/front.ts";
import { isRoot } from "../support/server-process.ts";
import { EXECUTABLE, startStdFpm } from "../support/std-fpm.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitUntil } from "../support/wait-until.ts";

/** A front whose requests somebody works on who has a bug. */
function frontWith(onRequest: (request: FrontRequest) => void) {
  const dir = makeTempDir();
  const lines: string[] = [];
  const log = createLog({
    level: "info",
    format: "plain",
    write: (line) => void lines.push(line),
    reader: () => "other",
  });
  const socket = dir.at("front.sock");
  const front = frontAt(socket, log, onRequest);
  return {
    front,
    socket,
    lines,
    [Symbol.dispose]() {
      front.close();
      front.abandon();
      dir[Symbol.dispose]();
    },
  };
}

function throwing(what: string): never {
  throw new Error(`a bug in ${what}`);
}

describe("a bug while a connection is served", () => {
  test.each<[string, (request: FrontRequest) => void]>([
    ["where a request is taken", () => throwing("where a request is taken")],
    [
      "what its body is handed to",
      (request) =>
        request.listen({
          onBody: () => throwing("what its body is handed to"),
          onBodyEnd() {},
          onBodyFailed() {},
          mayBeUnseen: false,
          onClientDrain() {},
          // It is in a state by now in which nothing works.
          onClientLeft: () => throwing("the state that is left"),
        }),
    ],
  ])("(%s) ends that connection with a line in the log, and no other", async (what, onRequest) => {
    using world = frontWith((request) => {
      if (request.head.method === "GET") request.complete();
      else onRequest(request);
    });
    using other = await connectFcgi(world.socket);
    using connection = await connectFcgi(world.socket);
    await waitUntil("both are open", () => world.front.connections === 2);
    const params = { REQUEST_METHOD: "POST", CONTENT_LENGTH: "1000000" };
    for (const id of [1, 2])
      await connection.send(connection.encode("/x.fcgi", { id, keepConn: true, params, body: null }));
    for (let i = 0; i < 3; i++)
      for (const id of [1, 2]) await connection.send(encodeStream(FCGI_STDIN, id, new Uint8Array(9), false));
    await connection.closed();
    await waitUntil("it is gone", () => world.front.connections === 1);
    expect(world.lines.join("")).toContain(`a bug in std-fpm: a bug in ${what}`);
    expect(world.lines.join("")).toContain("stack=");
    expect(other.isClosed).toBe(false);
  });
});

/** A command that runs std-fpm as a user who owns this folder, and who is not root: root may do anything. */
function asOwnerOf(folder: string): readonly string[] {
  if (!isRoot()) return [EXECUTABLE];
  const nobody = "65534";
  const change = `chown -R ${nobody}:${nobody} ${folder}`;
  const become = `setpriv --reuid=${nobody} --regid=${nobody} --clear-groups --`;
  return ["/bin/sh", "-c", `${change} && exec ${become} "$0" "$@"`, EXECUTABLE];
}

/** Nobody but root can remove or make anything in there. */
function takeAway(folder: string): void {
  if (isRoot()) chownSync(folder, 0, 0);
  chmodSync(folder, 0o555);
}

test("a stop comes to its end when the runtime folder was taken away, with all logs written and a status that says so", async () => {
  using dir = makeTempDir();
  const accessLog = dir.at("access.log");
  const fpm = await startStdFpm({
    folder: dir.path,
    command: asOwnerOf(dir.path),
    server: 'ping_path = "/ping"',
    apps: `[access_log]\nfile = "${accessLog}"`,
  });
  using connection = await connectFcgi(fpm.socket);
  for (let id = 1; id <= 5; id++)
    await connection.request("/none.fcgi", { id, keepConn: true, params: { SCRIPT_NAME: "/ping" } });
  takeAway(fpm.runtimeDir);
  fpm.signal("SIGTERM");
  expect(await fpm.exited).toBe(70);
  expect(fpm.log()).toContain("warn not removed");
  expect(fpm.log()).toEndWith(" stopped\n");
  expect(readFileSync(accessLog, "utf8").trim().split("\n").length).toBe(5);
});
