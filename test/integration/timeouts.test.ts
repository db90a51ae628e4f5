import { afterAll, describe, expect, test } from "bun:test";
import { resolve } from "node:path";
import { Acceptor } from "../../src/backend/acceptor.ts";
import { Conduct } from "../../src/backend/conduct.ts";
import type { Exit } from "../../src/backend/exit.ts";
import { FastCgiBackend } from "../../src/backend/fastcgi-backend.ts";
import { KeptOutputs } from "../../src/backend/kept-outputs.ts";
import type { BackendOwner } from "../../src/backend/lent-backend.ts";
import { MemoryKiller } from "../../src/backend/memory-killer.ts";
import { OutputLimit } from "../../src/backend/output-limit.ts";
import { Pipes } from "../../src/backend/pipes.ts";
import { UnreadWatch } from "../../src/backend/unread-watch.ts";
import { ByteBudget } from "../../src/base/byte-budget.ts";
import { ByteQueue } from "../../src/base/byte-queue.ts";
import { systemClock } from "../../src/base/clock.ts";
import { Deadlines } from "../../src/base/deadlines.ts";
import type { FpmError } from "../../src/base/errors.ts";
import { createLog } from "../../src/base/log.ts";
import { Turns } from "../../src/base/turns.ts";
import type { AppConfig } from "../../src/config/config.ts";
import { encodeHead } from "../../src/fcgi/encoder.ts";
import { RequestHead } from "../../src/fcgi/head.ts";
import { encodeParams } from "../../src/fcgi/params.ts";
import { RequestNaming } from "../../src/fcgi/request-naming.ts";
import { AnswerHead } from "../../src/relay/answer-head.ts";
import type { ClientListener, ClientStream } from "../../src/relay/client-stream.ts";
import { Relay, type Relayed } from "../../src/relay/relay.ts";
import { Reaper } from "../../src/start/reaper.ts";
import { Starter } from "../../src/start/starter.ts";
import { appConfig } from "../support/app-config.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { isAlive } from "../support/processes.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitUntil } from "../support/wait-until.ts";

// Real processes under a clock that is turned by hand: each limit is tried one millisecond before it, and at it.

const dir = makeTempDir();
const log = createLog({ level: "error", format: "plain", write() {}, reader: () => "other" });
const LIMIT_MS = 60_000;
let sockets = 0;
const reaper = new Reaper(systemClock, { adopts: false });
const starter = new Starter({ clock: systemClock, log, reaper });

afterAll(() => {
  reaper.close();
  dir[Symbol.dispose]();
});

/** A process of the fault program, or of another one. */
function startBackend(app: Partial<AppConfig>, argv: readonly [string, ...string[]] = [lab("lab")]) {
  const clock = new FakeClock();
  const exits: Exit[] = [];
  const owner: BackendOwner = {
    onBackendMoved() {},
    onBackendReady() {},
    onBackendBack() {},
    onBackendUnread() {},
    onProcessStarted() {},
    onProcessExited() {},
    onStaleRecord() {},
    onBackendExit: (_backend, exit) => void exits.push(exit),
  };
  const nextSocketPath = () => dir.at(`${sockets++}.sock`);
  const common = {
    key: "k",
    script: argv[0],
    owner: undefined,
    ownedFile: undefined,
    version: "",
    generation: "",
    role: "responder" as const,
  };
  const user = process.geteuid?.() === 0 ? "root" : "";
  const settings = { startTimeoutMs: 1e9, user, ...app };
  const program = { ...common, name: argv[0], argv, cwd: "/", app: appConfig(settings) };
  const backend = new FastCgiBackend(program, owner, {
    clock,
    log,
    instance: "test",
    nextSocketPath,
    outputLimit: new OutputLimit(clock, log),
    keptOutputs: new KeptOutputs(1024, log, systemClock),
    naming: new RequestNaming(),
    memoryKiller: new MemoryKiller("/none", () => undefined),
    conduct: new Conduct(),
    unread: new UnreadWatch(clock),
    buffers: new ByteBudget(Number.POSITIVE_INFINITY),
    starter,
    acceptor: new Acceptor(clock, log),
    pipes: new Pipes(systemClock, log),
    orphans: () => [],
    turns: new Turns(clock),
  });
  return { backend, clock, exits };
}

/** A program of the tests, by the name that says how it behaves. */
function lab(name: string): string {
  const path = dir.at(name);
  Bun.spawnSync(["cp", resolve("dist/test-programs/lab"), path]);
  return path;
}

async function readyBackend(app: Partial<AppConfig>, argv?: readonly [string, ...string[]]) {
  const started = startBackend(app, argv);
  await waitUntil("it is ready", () => {
    started.clock.advance(1);
    return started.backend.state === "free";
  });
  return started;
}

async function gone({ exits }: { exits: readonly Exit[] }): Promise<Exit> {
  return await waitUntil("it has ended", () => exits[0]);
}

/** A web server's side that sends nothing by itself. */
class Client implements ClientStream {
  readonly body = new ByteQueue();
  readonly bodyBytes = 0;
  readonly isHeld = true;
  readonly isGone = false;
  readonly isAnswered = false;
  readonly head: RequestHead;
  readonly isBodyComplete: boolean;
  listener: ClientListener | undefined;
  refused: FpmError | undefined;

  constructor(query: string, isBodyComplete = true) {
    const params = { REQUEST_METHOD: "POST", QUERY_STRING: query };
    this.head = new RequestHead(encodeHead(1, 1, false, encodeParams(Object.entries(params))));
    this.isBodyComplete = isBodyComplete;
  }

  listen(listener: ClientListener | undefined): void {
    this.listener = listener;
  }
  respond(): boolean {
    return false;
  }
  forwardStderr(): boolean {
    return false;
  }
  refuse(error: FpmError): void {
    this.refused = error;
  }
  whenLeft(): void {}
  limitBody(): void {}
  pauseBody(): void {}
  resumeBody(): void {}
  complete(): void {}
  truncate(): void {}
}

/** A request at work on a process that never answers it. */
async function hanging(app: Partial<AppConfig>, client = new Client("op=hang")) {
  const started = await readyBackend(app);
  const lease = started.backend.lend(started.clock.now());
  let relayed: Relayed | undefined;
  const onRelayed = (how: Relayed) => {
    relayed = how;
    if (how.kind === "refused") client.refuse(how.error);
    started.backend.end(lease, how.ending, started.clock.now());
  };
  const { clock } = started;
  const deps = { clock, deadlines: new Deadlines(clock) };
  new Relay(client, lease, deps, { onRelayed }).start(new Map(), false, new AnswerHead(false));
  return { ...started, client, ended: () => relayed };
}

describe("start_timeout", () => {
  test("kills a process that has not accepted by then, not a millisecond before", async () => {
    const started = startBackend({ startTimeoutMs: LIMIT_MS }, ["/bin/sleep", "600"]);
    await waitUntil("it has begun", () => started.backend.pid !== 0);
    started.clock.advance(LIMIT_MS - 1);
    expect([started.backend.state, isAlive(started.backend.pid)]).toEqual(["starting", true]);
    started.clock.advance(1);
    expect(await gone(started)).toMatchObject({
      signal: "SIGKILL",
      reason: "start timeout",
      wasStarted: false,
    });
  });
});

describe("stop_timeout", () => {
  test("kills a process that ignores SIGTERM, not a millisecond before", async () => {
    const started = await readyBackend({}, [lab("ignore-term")]);
    started.backend.stop("idle", LIMIT_MS);
    started.clock.advance(LIMIT_MS - 1);
    await Bun.sleep(50);
    expect([started.backend.state, isAlive(started.backend.pid)]).toEqual(["leaving", true]);
    started.clock.advance(1);
    expect(await gone(started)).toMatchObject({ signal: "SIGKILL", reason: "idle" });
  });
});

describe("request_timeout", () => {
  test("ends a request that runs for so long with its process, not a millisecond before", async () => {
    const work = await hanging({ requestTimeoutMs: LIMIT_MS });
    work.clock.advance(LIMIT_MS - 1);
    await Bun.sleep(20);
    expect([work.ended(), isAlive(work.backend.pid)]).toEqual([undefined, true]);
    work.clock.advance(1);
    expect(await gone(work)).toMatchObject({ signal: "SIGKILL", reason: "request timeout" });
    expect(work.ended()).toMatchObject({
      kind: "unanswered",
      failure: "bad",
      error: { code: "REQUEST_TIMEOUT" },
    });
  });
});

describe("abort_timeout", () => {
  test("kills a process that goes on for a client that has left, not a millisecond before", async () => {
    const work = await hanging({ abortTimeoutMs: LIMIT_MS });
    work.client.listener?.onClientLeft();
    expect(work.ended()).toEqual({ kind: "client-left", ending: "left" });
    work.clock.advance(LIMIT_MS - 1);
    await Bun.sleep(20);
    expect([work.backend.state, isAlive(work.backend.pid)]).toEqual(["on its own", true]);
    work.clock.advance(1);
    expect(await gone(work)).toMatchObject({ signal: "SIGKILL", reason: "abort timeout" });
  });
});

describe("body_timeout", () => {
  test("refuses an upload of which nothing comes for so long, not a millisecond before; each byte begins it anew", async () => {
    const work = await hanging({ bodyTimeoutMs: LIMIT_MS }, new Client("op=hang", false));
    work.clock.advance(LIMIT_MS - 1);
    work.client.listener?.onBody(new Uint8Array(8), 0, 8);
    work.clock.advance(LIMIT_MS - 1);
    expect(work.client.refused).toBeUndefined();
    work.clock.advance(1);
    expect(work.client.refused).toMatchObject({ code: "BODY_TIMEOUT" });
    work.backend.stop("shutdown", 0);
    await gone(work);
  });
});
