import { errnoOf, FpmError, messageOf } from "../base/errors.ts";
import { connectProblem } from "../client/connect-problem.ts";
import type { ListenAddress } from "../config/config.ts";
import { formatListenAddress } from "../config/listen-address.ts";
import type { Snapshot } from "../status/snapshot.ts";
import { configuredAddress, otherAddressHint } from "./daemon-address.ts";
import { CONFIG_FLAG } from "./load-for-command.ts";
import { socketAddress } from "./socket-flag.ts";
import type { Terminal } from "./terminal.ts";

/** The flags of every command that asks the daemon. */
export const ADMIN_FLAGS = {
  socket: {
    type: "string",
    valueHint: "S",
    description: "Address of `[admin] listen` instead of the configured one",
  },
  config: CONFIG_FLAG,
} as const;

/** A daemon that works answers in milliseconds. */
const ANSWER_MS = 3000;
/** How often it is asked whether it still works, while it does what it was told. */
const LOOK_MS = 1000;
/** What is not done by then is not waited for; the daemon has limits of its own for all it does. */
const LONGEST_ACTION_MS = 15 * 60_000;

interface Flags {
  readonly socket?: string | undefined;
  readonly config?: string | undefined;
}

/** What an action came to. */
export interface Done {
  readonly isDone: boolean;
  readonly message: string;
  readonly pid?: number;
}

/** The admin server of a running daemon. */
export class AdminClient {
  readonly #address: ListenAddress;
  /** What to do when nobody is there. */
  readonly #hint: () => string | Promise<string>;

  /**
   * `flags` are those of ADMIN_FLAGS. A mistake in the configuration is a warning, except where the daemon itself will tell it.
   * @throws UsageError; FpmError NOT_RUNNING when the configuration names no address, CONFIG_INVALID and the like when it cannot be found out.
   */
  static async open(command: string, flags: Flags, terminal: Terminal): Promise<AdminClient> {
    const { socket, config } = flags;
    if (socket !== undefined)
      return new AdminClient(
        socketAddress(command, socket),
        () => "std-fpm does not run, or with another address",
      );
    const warn = command === "reload" ? () => {} : terminal.err;
    const address = await configuredAddress("admin", config, warn);
    if (address) return new AdminClient(address, () => otherAddressHint(config));
    throw new FpmError(
      "NOT_RUNNING",
      "daemon",
      "the configuration has `admin.listen` off: nobody can be asked",
    );
  }

  private constructor(address: ListenAddress, hint: () => string | Promise<string>) {
    this.#address = address;
    this.#hint = hint;
  }

  /** @throws FpmError NOT_RUNNING. */
  async text(path: string): Promise<string> {
    return await this.#ask(path, "GET", AbortSignal.timeout(ANSWER_MS));
  }

  /** @throws FpmError NOT_RUNNING. */
  async snapshot(isFull: boolean): Promise<Snapshot> {
    return this.#parsed<Snapshot>(await this.text(`/status.json${isFull ? "?full" : ""}`));
  }

  /** What takes its time is waited for as long as the daemon lives. @throws FpmError NOT_RUNNING, also when the daemon refuses to act here. */
  async act(action: string, of = ""): Promise<Done> {
    const path = `/${action}?of=${encodeURIComponent(of)}`;
    const answer = await this.#whileAlive((signal) => this.#ask(path, "POST", signal), LONGEST_ACTION_MS);
    return this.#parsed<Done>(answer);
  }

  /** Settles when the daemon, which was told to, has ended: when its end of the connection is closed. @throws FpmError NOT_RUNNING: it does not answer. */
  async ended(): Promise<void> {
    await this.#whileAlive(async (signal) => {
      try {
        await (await this.#fetch("/ended", "GET", signal)).text();
      } catch (thrown) {
        if (signal.aborted) throw thrown;
      }
    });
  }

  /** Gives up when the daemon does not answer at all any more: it may be stopped, or hang. */
  async #whileAlive<Value>(
    work: (signal: AbortSignal) => Promise<Value>,
    longestMs?: number,
  ): Promise<Value> {
    const silence = new AbortController();
    const limits = longestMs === undefined ? [] : [AbortSignal.timeout(longestMs)];
    const signal = AbortSignal.any([silence.signal, ...limits]);
    let isOver = false;
    const look = async (): Promise<void> => {
      while (!isOver) {
        await Bun.sleep(LOOK_MS);
        await this.#fetch("/healthz", "GET", AbortSignal.timeout(ANSWER_MS)).catch((thrown: unknown) => {
          if (isTimeout(thrown)) silence.abort(thrown);
        });
      }
    };
    void look();
    try {
      return await work(signal);
    } catch (thrown) {
      if (signal.aborted && !(thrown instanceof FpmError)) throw await this.#unheard(signal.reason);
      throw thrown;
    } finally {
      isOver = true;
    }
  }

  /** 409 is an answer, too: it was not done. */
  async #ask(path: string, method: string, signal: AbortSignal): Promise<string> {
    let answer: { isOk: boolean; status: number; text: string };
    try {
      const response = await this.#fetch(path, method, signal);
      const { ok, status } = response;
      answer = { isOk: ok || status === 409, status, text: await response.text() };
    } catch (thrown) {
      throw await this.#unheard(thrown);
    }
    if (answer.isOk) return answer.text;
    const { status, text } = answer;
    throw new FpmError("NOT_RUNNING", "daemon", `${this.#place} answered ${status}: ${text.trim()}`);
  }

  #parsed<Value>(text: string): Value {
    try {
      return JSON.parse(text) as Value;
    } catch {
      const why = "it is no std-fpm that can be asked; --socket is for the address of `[admin] listen`";
      throw new FpmError("NOT_RUNNING", "daemon", `${this.#place} did not answer in JSON: ${why}`);
    }
  }

  async #unheard(thrown: unknown): Promise<FpmError> {
    const path = this.#address.kind === "unix" ? this.#address.path : undefined;
    const problem = isForbidden(thrown) ? undefined : connectProblem(path, thrown);
    const why = problem === undefined ? reasonOf(thrown) : `${problem}; ${await this.#hint()}`;
    return new FpmError("NOT_RUNNING", "daemon", `nobody answers at ${this.#place}: ${why}`, {
      cause: thrown,
    });
  }

  get #place(): string {
    return formatListenAddress(this.#address);
  }

  async #fetch(path: string, method: string, signal: AbortSignal): Promise<Response> {
    const options = { method, signal, timeout: false };
    return this.#address.kind === "unix"
      ? await fetch(`http://localhost${path}`, { ...options, unix: this.#address.path })
      : await fetch(`http://${formatListenAddress(this.#address)}${path}`, options);
  }
}

function isTimeout(thrown: unknown): boolean {
  return thrown instanceof DOMException && thrown.name === "TimeoutError";
}

function isForbidden(thrown: unknown): boolean {
  return /^(?:EACCES|EPERM)$/.test(errnoOf(thrown));
}

/** Of somebody who is there. */
function reasonOf(thrown: unknown): string {
  if (isTimeout(thrown)) return `no answer in ${ANSWER_MS / 1000} s; its log may say what it is at`;
  if (isForbidden(thrown)) return "permission denied; only its own user and root may ask";
  if (/^(?:ENOTSOCK|ConnectionClosed|ECONNRESET)$/.test(errnoOf(thrown)))
    return "what is there does not speak HTTP; --socket is for the address of `[admin] listen`, admin.sock in the runtime folder unless told otherwise";
  return messageOf(thrown);
}
