import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { runServer, type WebServer, type WebServerOptions } from "./server-process.ts";

/** Starts Caddy with a site for std-fpm, and waits until it answers. */
export function startCaddy(options: WebServerOptions): Promise<WebServer> {
  const { folder, site } = options;
  const configFile = join(folder, "Caddyfile");
  const globalOptions = "admin off\n\tauto_https off\n\tdefault_bind 127.0.0.1";
  writeFileSync(configFile, `{\n\t${globalOptions}\n}\n${site}`);
  return runServer(options, {
    argv: ["caddy", "run", "--adapter", "caddyfile", "--config", configFile],
    errorLog: join(folder, "stderr.log"),
    env: { HOME: folder },
  });
}
