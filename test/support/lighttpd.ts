import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { runServer, type WebServer, type WebServerOptions } from "./server-process.ts";

/** Starts lighttpd on a document root with a configuration for std-fpm, and waits until it answers. */
export function startLighttpd(options: WebServerOptions & { root: string }): Promise<WebServer> {
  const { folder, port, root, site } = options;
  const configFile = join(folder, "lighttpd.conf");
  const errorLog = join(folder, "error.log");
  writeFileSync(
    configFile,
    `
server.bind = "127.0.0.1"
server.port = ${port}
server.document-root = "${root}"
server.errorlog = "${errorLog}"
server.upload-dirs = ( "${folder}" )
${site}
`,
  );
  return runServer(options, { argv: ["lighttpd", "-D", "-f", configFile], errorLog, stopSignal: "SIGINT" });
}
