import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isRoot, runServer, type WebServer, type WebServerOptions } from "./server-process.ts";

/** Starts nginx with a site as Debian includes it into its `http` block, and waits until it answers. */
export function startNginxSite(options: WebServerOptions): Promise<WebServer> {
  const { folder, site } = options;
  const configFile = join(folder, "nginx.conf");
  const errorLog = join(folder, "error.log");
  // `include fastcgi.conf` looks beside the main file.
  symlinkSync("/etc/nginx/fastcgi.conf", join(folder, "fastcgi.conf"));
  writeFileSync(
    configFile,
    `
daemon off;
worker_processes 1;
${isRoot() ? "user root;" : ""}
pid nginx.pid;
events {}
http {
  access_log off;
  client_max_body_size 64m;
  client_body_temp_path body;
  fastcgi_temp_path fastcgi;
  proxy_temp_path proxy;
  scgi_temp_path scgi;
  uwsgi_temp_path uwsgi;
${site}
}
`,
  );
  return runServer(options, { argv: ["nginx", "-p", folder, "-c", configFile, "-e", "error.log"], errorLog });
}
