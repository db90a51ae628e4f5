import type { Exit } from "../../src/backend/exit.ts";
import { type BackendDeps, type BackendOwner, LentBackend } from "../../src/backend/lent-backend.ts";
import type { Link } from "../../src/backend/link.ts";
import type { Usage } from "../../src/backend/usage.ts";
import { FpmError } from "../../src/base/errors.ts";
import type { AppConfig } from "../../src/config/config.ts";
import type { Program } from "../../src/start/program.ts";
import { appConfig } from "./app-config.ts";

/** No process has it: /proc tells nothing of it. */
const FIRST_PID = 2 ** 30;

/** A program with these settings, in its first version. */
export function fakeProgram(app: Partial<AppConfig> = {}, changes: Partial<Program> = {}): Program {
  return {
    key: "/srv/a.fcgi",
    name: "/srv/a.fcgi",
    script: "/srv/a.fcgi",
    argv: ["/srv/a.fcgi"],
    cwd: "/srv",
    owner: undefined,
    ownedFile: undefined,
    version: "1",
    generation: "1",
    role: "responder",
    app: appConfig(app),
    ...changes,
  };
}

/** A backend whose process does what a test says; its states, leases and reasons are real. */
export class FakeBackend extends LentBackend {
  static #pids = FIRST_PID;
  readonly pid = FakeBackend.#pids++;
  readonly label: string;
  readonly finished: Promise<void>;
  readonly complaint = "";
  readonly firstStdout = "";
  readonly lastStderr = "";
  socketPath: string | undefined = undefined;
  usage: Usage | undefined = { runMs: 0, cpuWaitMs: 0 };
  death: string | undefined = undefined;
  isDead = false;
  /** What a request is sent on; without it there are no connections. */
  link: Link | undefined;
  /** It goes on after END_REQUEST. */
  worksOn = false;
  /** Since when threads of it have been at work for clients that have left. */
  readonly left: number[] = [];
  /** It can be seen that they are. */
  showsLeft = false;
  /** How long its process was given each time it was told to end; 0: it was killed. */
  readonly told: number[] = [];
  protected readonly capacity: number;
  readonly #finished = Promise.withResolvers<void>();

  constructor(program: Program, owner: BackendOwner, deps: BackendDeps) {
    super(program, owner, deps);
    this.capacity = program.app.concurrency;
    this.label = `${program.name} (pid ${this.pid})`;
    this.finished = this.#finished.promise;
  }

  override get leftAtWork(): number {
    return this.left?.length ?? 0;
  }

  protected override get leftWorkSince(): number | undefined {
    return this.left[0];
  }

  protected override giveUpLeft(): void {
    this.left.shift();
    this.onWorkDone();
  }

  /** It accepts a connection: it has started, or is back. */
  accept(): void {
    this.onBack();
  }

  /** Its process ends. */
  exit(how: Partial<Exit> = {}): void {
    const wasStarted = this.state !== "starting";
    this.isDead = true;
    this.onGone();
    this.owner.onBackendExit(this, { code: 0, signal: null, wasStarted, reason: this.stopReason, ...how });
    this.#finished.resolve();
  }

  open(): Link | FpmError {
    return this.link ?? new FpmError("BACKEND_BROKEN", "backend", "it has no connections");
  }

  isUnaccepted(): boolean {
    return false;
  }

  isBeingTaken(): boolean {
    return false;
  }

  isUnread(): boolean {
    return true;
  }

  takeBack(): void {}
  onUnread(): void {}
  onErrorOutput(): void {}
  onEcho(): void {}
  onStaleRecord(): void {}
  onMixedRecords(): void {}
  onIgnoredId(): void {}

  protected closeLink(_lease: unknown, how: string): boolean {
    if (how === "left" && this.showsLeft) {
      this.left.push(this.deps.clock.now());
      return false;
    }
    return how === "left" || this.worksOn;
  }

  protected awaitReturn(): void {}

  protected endProcess(stopTimeoutMs: number): void {
    this.told.push(stopTimeoutMs);
  }
}
