import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { runServer, type WebServer, type WebServerOptions } from "./server-process.ts";

/** Starts HAProxy with a frontend for std-fpm, and waits until it answers. */
export function startHaproxy(options: WebServerOptions): Promise<WebServer> {
  const { folder, site } = options;
  const configFile = join(folder, "haproxy.cfg");
  writeFileSync(
    configFile,
    `
global
    log stderr format raw daemon

defaults
    mode http
    log global
    option httplog
    timeout connect 5s
    timeout client 60s
    timeout server 60s

${site}
`,
  );
  return runServer(options, {
    argv: ["haproxy", "-db", "-f", configFile],
    errorLog: join(folder, "stderr.log"),
    stopSignal: "SIGUSR1",
  });
}
