import { errnoOf, FpmError, messageOf } from "../base/errors.ts";
import type { ListenAddress } from "../config/config.ts";
import { formatListenAddress, parseListenAddress } from "../config/listen-address.ts";
import type { Snapshot } from "../status/snapshot.ts";
import { UsageError } from "./arguments.ts";
import { CONFIG_FLAG, loadForCommand } from "./load-for-command.ts";

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
const ANSWER_MS = 5000;

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

  /** `flags` are those of ADMIN_FLAGS. @throws UsageError; FpmError NOT_RUNNING when the configuration names no address. */
  static async open(command: string, flags: Flags): Promise<AdminClient> {
    if (flags.socket !== undefined) {
      const address = parseListenAddress(flags.socket);
      if (address) return new AdminClient(address);
      throw new UsageError(
        `${command}: --socket: expected an absolute path, "127.0.0.1:9001" or "[::1]:9001", found ${flags.socket}`,
      );
    }
    const { config } = await loadForCommand(flags.config);
    if (config.admin.listen) return new AdminClient(config.admin.listen);
    throw new FpmError(
      "NOT_RUNNING",
      "daemon",
      "the configuration has `admin.listen` off: nobody can be asked",
    );
  }

  private constructor(address: ListenAddress) {
    this.#address = address;
  }

  /** @throws FpmError NOT_RUNNING. */
  async text(path: string): Promise<string> {
    return await this.#ask(path, "GET");
  }

  /** @throws FpmError NOT_RUNNING. */
  async snapshot(isFull: boolean): Promise<Snapshot> {
    return JSON.parse(await this.#ask(`/status.json${isFull ? "?full" : ""}`, "GET")) as Snapshot;
  }

  /** @throws FpmError NOT_RUNNING, also when the daemon refuses to act here. */
  async act(action: string, of = ""): Promise<Done> {
    return JSON.parse(await this.#ask(`/${action}?of=${encodeURIComponent(of)}`, "POST")) as Done;
  }

  /** 409 is an answer, too: it was not done. */
  async #ask(path: string, method: string): Promise<string> {
    const place = formatListenAddress(this.#address);
    let answer: { isOk: boolean; status: number; text: string };
    try {
      const response = await this.#fetch(path, method);
      const { ok, status } = response;
      answer = { isOk: ok || status === 409, status, text: await response.text() };
    } catch (thrown) {
      throw new FpmError("NOT_RUNNING", "daemon", `nobody answers at ${place}: ${reasonOf(thrown)}`, {
        cause: thrown,
      });
    }
    if (answer.isOk) return answer.text;
    const { status, text } = answer;
    throw new FpmError("NOT_RUNNING", "daemon", `${place} answered ${status}: ${text.trim()}`);
  }

  async #fetch(path: string, method: string): Promise<Response> {
    // What it was told to do takes its time, what it is asked does not.
    const signal = method === "GET" ? AbortSignal.timeout(ANSWER_MS) : null;
    const options = { method, signal, timeout: false };
    return this.#address.kind === "unix"
      ? await fetch(`http://localhost${path}`, { ...options, unix: this.#address.path })
      : await fetch(`http://${formatListenAddress(this.#address)}${path}`, options);
  }
}

function reasonOf(thrown: unknown): string {
  if (thrown instanceof DOMException && thrown.name === "TimeoutError")
    return `no answer in ${ANSWER_MS / 1000} s; its log may say what it is at`;
  const errno = errnoOf(thrown);
  if (errno === "ENOENT")
    return "there is no such socket; std-fpm does not run, or with another `admin.listen`";
  if (errno === "EACCES" || errno === "EPERM") return "permission denied; only its own user and root may ask";
  if (errno === "ECONNREFUSED" || errno === "ConnectionRefused") return "std-fpm does not run";
  return messageOf(thrown);
}
