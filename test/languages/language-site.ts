import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { exchange, type HttpAnswer, type HttpRequest } from "../support/http-exchange.ts";
import { startNginx } from "../support/nginx.ts";
import { type StdFpm, startStdFpm } from "../support/std-fpm.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import type { Language } from "./languages.ts";

/** nginx and std-fpm on examples/ as it is: what a newcomer sees must work. */
export interface LanguageSite extends AsyncDisposable {
  readonly language: Language;
  readonly fpm: StdFpm;
  ask(path: string, request?: Omit<HttpRequest, "port" | "path">): Promise<HttpAnswer>;
  /** The files that were uploaded, by their names. */
  uploads(): Map<string, Uint8Array>;
  /** Ends std-fpm now; fails when anything is left behind. */
  stopStdFpm(): Promise<void>;
}

/** Starts it all. */
export async function startLanguageSite(language: Language): Promise<LanguageSite> {
  const dir = makeTempDir();
  const root = resolve("examples");
  mkdirSync(dir.at("uploads"));
  const fpm = await startStdFpm({
    folder: dir.path,
    programEnv: {
      UPLOAD_FOLDER: dir.at("uploads"),
      PATH: `${resolve("node_modules/.bin")}:/usr/local/bin:/usr/bin:/bin`,
      PYTHONDONTWRITEBYTECODE: "1",
    },
    apps: appsOf("examples/std-fpm.toml"),
  });
  const nginx = await startNginx({ folder: dir.at("nginx"), root, fastcgi: `unix:${fpm.socket}` }).catch(
    async (error) => {
      await fpm.kill();
      throw error;
    },
  );
  let isStopped = false;
  const stopStdFpm = async () => {
    if (isStopped) return;
    isStopped = true;
    await fpm.stop();
  };
  return {
    language,
    fpm,
    ask: (path, request = {}) => exchange({ port: nginx.port, path: `/direct/${path}`, ...request }),
    uploads: () => {
      const names = readdirSync(dir.at("uploads"));
      return new Map(names.map((name) => [name, readFileSync(dir.at("uploads", name))]));
    },
    stopStdFpm,
    async [Symbol.asyncDispose]() {
      await nginx.stop();
      await stopStdFpm();
      dir[Symbol.dispose]();
    },
  };
}

/** The `[[apps]]` of a configuration file. */
function appsOf(file: string): string {
  const text = readFileSync(file, "utf8");
  return text.slice(text.indexOf("[[apps]]"));
}
