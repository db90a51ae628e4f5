import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { waitUntil } from "./wait-until.ts";

const MODULES = ["mpm_event", "authz_core", "proxy", "proxy_fcgi"];

/** A running Apache. */
export interface Apache {
  readonly port: number;
  errorLog(): string;
  stop(): Promise<void>;
}

/** Starts Apache with the SetHandler of the README for `.fcgi`, and waits until it answers. */
export async function startApache(folder: string, root: string, socket: string): Promise<Apache> {
  mkdirSync(folder, { recursive: true });
  const port = freePort();
  const configFile = join(folder, "httpd.conf");
  writeFileSync(configFile, configOf(folder, root, socket, port));
  const child = Bun.spawn(["/usr/sbin/apache2", "-f", configFile, "-DFOREGROUND"], {
    stdio: ["ignore", "ignore", Bun.file(join(folder, "stderr.log"))],
    env: { PATH: "/usr/bin:/bin" },
  });
  const errorLog = () => readFileSync(join(folder, "error.log"), "utf8");
  await waitUntil("Apache answers", () => {
    if (child.exitCode !== null) {
      throw new Error(`Apache did not start: ${readFileSync(join(folder, "stderr.log"), "utf8")}`);
    }
    return fetch(`http://127.0.0.1:${port}/`).then(
      () => true,
      () => false,
    );
  });
  return {
    port,
    errorLog,
    async stop() {
      child.kill("SIGTERM");
      const code = await child.exited;
      if (code !== 0) throw new Error(`Apache ended with ${code}: ${errorLog()}`);
    },
  };
}

// Apache cannot inherit a listening socket; the kernel does not give this port to anybody else so soon.
function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  listener.stop(true);
  return listener.port;
}

function configOf(folder: string, root: string, socket: string, port: number): string {
  const modules = MODULES.map((name) => `LoadModule ${name}_module modules/mod_${name}.so`);
  return `
ServerRoot /usr/lib/apache2
ServerName localhost
Listen 127.0.0.1:${port}
PidFile ${folder}/apache.pid
DefaultRuntimeDir ${folder}
ErrorLog ${folder}/error.log
${process.getuid?.() === 0 ? "User www-data\nGroup www-data" : ""}
${modules.join("\n")}
DocumentRoot ${root}
<Directory ${root}>
  Require all granted
</Directory>
<FilesMatch "\\.fcgi$">
  SetHandler "proxy:unix:${socket}|fcgi://localhost"
</FilesMatch>
`;
}
