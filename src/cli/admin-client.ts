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
    return await (await this.#fetch(path, "GET")).text();
  }

  /** @throws FpmError NOT_RUNNING. */
  async snapshot(isFull: boolean): Promise<Snapshot> {
    return (await (await this.#fetch(`/status.json${isFull ? "?full" : ""}`, "GET")).json()) as Snapshot;
  }

  /** @throws FpmError NOT_RUNNING, also when the daemon refuses to act here. */
  async act(action: string, of = ""): Promise<Done> {
    const response = await this.#fetch(`/${action}?of=${encodeURIComponent(of)}`, "POST");
    return (await response.json()) as Done;
  }

  /** 409 is an answer, too: it was not done. */
  async #fetch(path: string, method: string): Promise<Response> {
    const place = formatListenAddress(this.#address);
    let response: Response;
    try {
      response =
        this.#address.kind === "unix"
          ? await fetch(`http://localhost${path}`, { method, unix: this.#address.path })
          : await fetch(`http://${place}${path}`, { method });
    } catch (thrown) {
      throw new FpmError("NOT_RUNNING", "daemon", `nobody answers at ${place}: ${reasonOf(thrown)}`, {
        cause: thrown,
      });
    }
    if (response.ok || response.status === 409) return response;
    const why = (await response.text()).trim();
    throw new FpmError("NOT_RUNNING", "daemon", `${place} answered ${response.status}: ${why}`);
  }
}

function reasonOf(thrown: unknown): string {
  const errno = errnoOf(thrown);
  if (errno === "ENOENT")
    return "there is no such socket; std-fpm does not run, or with another `admin.listen`";
  if (errno === "EACCES" || errno === "EPERM") return "permission denied; only its own user and root may ask";
  if (errno === "ECONNREFUSED" || errno === "ConnectionRefused") return "std-fpm does not run";
  return messageOf(thrown);
}
