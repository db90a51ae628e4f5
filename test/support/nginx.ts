import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { waitUntil } from "./wait-until.ts";

export interface NginxOptions {
  /** An existing folder for everything nginx writes. */
  folder: string;
  /** The document root, where the programs lie. */
  root: string;
  /** Where FastCGI requests go: "unix:/path" or "127.0.0.1:9000". */
  fastcgi: string;
  /** More directives for the `http` block. */
  http?: string;
  /** More locations; FASTCGI stands for where requests go. */
  locations?: string;
}

/** A running nginx. `stop()` ends it and fails when it did not end well. */
export interface Nginx {
  readonly port: number;
  readonly pid: number;
  /** What is in its error log. */
  errorLog(): string;
  stop(): Promise<void>;
}

/**
 * The ways to a program, by the first part of the URL's path; the rest is the script below the root, then PATH_INFO:
 * - direct: a connection a request, the request's body buffered (nginx's defaults)
 * - kept: `fastcgi_keep_conn on` and a pool of kept connections
 * - unbuffered: neither the request nor the answer is buffered
 * - wide: room for 64 KiB of response headers
 */
export type Way = "direct" | "kept" | "unbuffered" | "wide";

const WAYS: Record<Way, string> = {
  direct: "fastcgi_pass FASTCGI;",
  kept: "fastcgi_pass kept; fastcgi_keep_conn on;",
  unbuffered: "fastcgi_pass FASTCGI; fastcgi_request_buffering off; fastcgi_buffering off;",
  wide: "fastcgi_pass FASTCGI; fastcgi_buffer_size 64k; fastcgi_buffers 8 64k; fastcgi_busy_buffers_size 128k;",
};

/** Starts nginx as the current user on a free port of 127.0.0.1 and waits until it answers. */
export async function startNginx(options: NginxOptions): Promise<Nginx> {
  mkdirSync(options.folder, { recursive: true });
  // The kernel chooses the port, and nginx inherits the listening socket: nobody can take the port in between.
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = listener;
  const configFile = join(options.folder, "nginx.conf");
  writeFileSync(configFile, configOf(options, port));
  const child = Bun.spawn(["nginx", "-p", options.folder, "-c", configFile, "-e", "error.log"], {
    stdio: ["ignore", "ignore", Bun.file(join(options.folder, "stderr.log")), listenerFd(listener)],
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", NGINX: "3;" },
  });
  listener.stop();
  const errorLog = () => readFileSync(join(options.folder, "error.log"), "utf8");
  await waitUntil("nginx answers", async () => {
    if (child.exitCode !== null) {
      throw new Error(`nginx did not start: ${readFileSync(join(options.folder, "stderr.log"), "utf8")}`);
    }
    return fetch(`http://127.0.0.1:${port}/ready`).then(
      (response) => response.ok,
      () => false,
    );
  });
  return {
    port,
    pid: child.pid,
    errorLog,
    async stop() {
      child.kill("SIGTERM");
      const code = await child.exited;
      if (code !== 0) throw new Error(`nginx ended with ${code}: ${errorLog()}`);
    },
  };
}

// The types lack `fd`; Bun has it.
function listenerFd(listener: object): number {
  return (listener as { fd: number }).fd;
}

function configOf(options: NginxOptions, port: number): string {
  const locations = Object.entries(WAYS).map(
    ([way, directives]) => `
    location /${way}/ {
      fastcgi_split_path_info ^/[^/]+(/.+?[.](?:fcgi|fpl|php|cgi|txt))(/.*)?$;
      include /etc/nginx/fastcgi.conf;
      fastcgi_param PATH_INFO $fastcgi_path_info;
      ${directives.replace("FASTCGI", options.fastcgi)}
    }`,
  );
  return `
daemon off;
worker_processes 1;
${process.getuid?.() === 0 ? "user root;" : ""}
error_log error.log info;
pid nginx.pid;
events { worker_connections 4096; }
http {
  access_log off;
  client_max_body_size 0;
  client_body_temp_path body;
  fastcgi_temp_path fastcgi;
  proxy_temp_path proxy;
  scgi_temp_path scgi;
  uwsgi_temp_path uwsgi;
  upstream kept { server ${options.fastcgi}; keepalive 32; }
  ${options.http ?? ""}
  server {
    listen 127.0.0.1:${port};
    root ${options.root};
    location = /ready { return 200 ready; }
    ${locations.join("\n")}
    ${(options.locations ?? "").replaceAll("FASTCGI", options.fastcgi)}
  }
}
`;
}
