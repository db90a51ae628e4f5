import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { isRoot, runServer, type WebServer, type WebServerOptions } from "./server-process.ts";

/** What Debian's Apache has loaded after `a2enmod proxy_fcgi`, as far as it matters here. */
const MODULES = ["mpm_event", "authz_core", "mime", "proxy", "proxy_fcgi"];

/** Starts Apache with a `<VirtualHost>` for std-fpm, and waits until it answers. */
export function startApache(options: WebServerOptions, modules: readonly string[] = []): Promise<WebServer> {
  const { folder, port, site } = options;
  const configFile = join(folder, "apache2.conf");
  const errorLog = join(folder, "error.log");
  const loaded = [...MODULES, ...modules].map((name) => `LoadModule ${name}_module modules/mod_${name}.so`);
  writeFileSync(
    configFile,
    `
ServerRoot /usr/lib/apache2
ServerName localhost
Listen 127.0.0.1:${port}
PidFile ${folder}/apache.pid
DefaultRuntimeDir ${folder}
ErrorLog ${errorLog}
StartServers 1
${isRoot() ? "User www-data\nGroup www-data" : ""}
${loaded.join("\n")}
TypesConfig /dev/null
${site}
`,
  );
  return runServer(options, { argv: ["apache2", "-f", configFile, "-DFOREGROUND"], errorLog });
}
