import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { childrenOf } from "../../src/base/proc-stat.ts";
import { FCGI_AUTHORIZER } from "../../src/fcgi/protocol.ts";
import { connectFcgi } from "../support/fcgi-connection.ts";
import { isRoot } from "../support/server-process.ts";
import { type Site, startSite } from "../support/site.ts";
import { logged } from "../support/std-fpm.ts";
import { waitUntil } from "../support/wait-until.ts";

const HEAD = "printf 'Content-Type: text/plain\\r\\n\\r\\n'";
/** Prints its variables as bytes in hex. */
const HEX =
  "#!/usr/bin/perl\nprint qq(Content-Type: text/plain\\n\\n), map { qq($_=) . unpack('H*', $ENV{$_}) . qq(\\n) } sort keys %ENV;\n";
/** As git-http-backend does with a push: the header first, and only then what it is for. */
const EARLY = `#!/bin/sh\n${HEAD}\necho "read $(wc -c) bytes"\n`;

let site: Site;

beforeAll(async () => {
  site = await startSite({
    app: 'protocol = "cgi"\nextensions = [".cgi"]',
    apps: `[[apps]]
match = "/**/client/*.cgi"
stderr = "client"
[[apps]]
match = "/**/both/*.cgi"
stderr = "both"
[[apps]]
match = "/**/secret/*.cgi"
env = { WHO = "env", ONLY = "env" }
env_file = "$ROOT/secrets"
`,
    files: {
      "hex.cgi": HEX,
      "early.cgi": EARLY,
      "nph.cgi":
        "#!/bin/sh\nprintf 'HTTP/1.1 100 Continue\\r\\n\\r\\nHTTP/1.1 404 Gone Away\\r\\nContent-Type: text/plain\\r\\n\\r\\ngone'\n",
      "now-and-then.cgi": `#!/bin/sh\n${HEAD}\necho begun\n[ -z "$QUERY_STRING" ] || while ! test -e go; do sleep 0.05; done\necho done\n`,
      // The script ends, what it prints through goes on.
      "through.cgi": `#!/bin/sh\n${HEAD}\n(for n in 1 2 3 4 5 6; do sleep 0.4; echo "line $n"; done) &\nexit 0\n`,
      "silent.cgi": `#!/bin/sh\n${HEAD}\necho answered\n(sleep 5; echo late) &\nexit 0\n`,
      "half.cgi": "#!/bin/sh\nprintf 'Content-Type: text/plain\\nX-Half: yes'\necho ran >> $PWD/ran\n",
      "crash-half.cgi":
        "#!/bin/sh\nprintf 'Content-Type: text/plain\\n'\necho ran >> $PWD/ran-half\nkill -SEGV $$\n",
      "crash-word.cgi": "#!/bin/sh\nprintf Hello\necho ran >> $PWD/ran-word\nkill -SEGV $$\n",
      "closes.cgi": `#!/bin/sh\n${HEAD}\nprintf short\nexec >&- 2>&-\nsleep 5\n`,
      "client/err.cgi": `#!/bin/sh\n${HEAD}\necho "to the client" >&2\nsleep 0.1\necho answered\n`,
      "both/err.cgi": `#!/bin/sh\n${HEAD}\necho "to both" >&2\nsleep 0.1\necho answered\n`,
      // Its child prints when it has ended.
      "client/late.cgi": `#!/bin/sh\n${HEAD}\n(sleep 0.6; echo "later than $HTTP_X_NAME" >&2; touch "$PWD/late") >&- &\necho answered\n`,
      "client/quick.cgi": `#!/bin/sh\n${HEAD}\necho answered\necho "last words" >&2\n`,
      "large.cgi": `#!/bin/sh\n${HEAD}\nexec head -c 300000 /dev/zero\n`,
      "secret/env.cgi": `#!/bin/sh\n${HEAD}\necho "$WHO $ONLY $KEY"\n`,
    },
  });
});

afterAll(async () => {
  await site[Symbol.asyncDispose]();
});

describe("the environment of a CGI program", () => {
  test("has the request's parameters as the bytes that they are", async () => {
    using client = await connectFcgi(site.fpm.socket);
    const values = {
      REQUEST_URI: "/\u00e4\u00f6?\u0083V\u0083t\u0083g",
      PATH_INFO: "/\u00c3\u00a4",
      HTTP_COOKIE: "a=\u00ff\u00fe; b=\u0001\t",
      REMOTE_USER: "J\u00fcrgen",
      HTTP_X_MIXED: "\u00c3\u00a4\u00e4",
    };
    const { stdout } = await client.request(`${site.root}/hex.cgi`, { params: values });
    for (const [name, value] of Object.entries(values))
      expect(stdout).toContain(`${name}=${Buffer.from(value, "latin1").toString("hex")}\n`);
  });

  test("that the system does not take is the client's 431, and no failed start", async () => {
    const before = site.fpm.log().length;
    const headers = { Cookie: "a".repeat(140_000) };
    using client = await connectFcgi(site.fpm.socket);
    const params = { HTTP_COOKIE: headers.Cookie };
    const { stdout } = await client.request(`${site.root}/hex.cgi`, { params });
    expect(stdout).toStartWith("Status: 431 Request Header Fields Too Large\r\n");
    const why = "HTTP_COOKIE has 140012 bytes with its name, and no variable may have 131072";
    await logged(site.fpm, why);
    expect(site.fpm.log().slice(before)).not.toContain("cannot be started");
    expect(await site.text("hex.cgi")).toContain("REQUEST_METHOD=");
  });

  test("has what env_file says before env, and a start without it fails and says why", async () => {
    const file = `${site.root}/secrets`;
    expect((await site.ask("secret/env.cgi")).status).toBe(502);
    await logged(site.fpm, `cannot be started: env_file: ${file} cannot be read: ENOENT`);
    writeFileSync(file, 'WHO=file\nKEY="s3cret"\n', { mode: 0o600 });
    expect(await site.text("secret/env.cgi")).toBe("file env s3cret\n");
  });
});

describe("a CGI program", () => {
  test.each(["direct", "kept", "unbuffered"] as const)(
    "may print before it reads, however large the body (%s)",
    async (way) => {
      const startedAt = performance.now();
      const answer = await site.ask("early.cgi", { way, body: new Uint8Array(3_000_000) });
      expect([answer.status, answer.text()]).toEqual([200, "read 3000000 bytes\n"]);
      expect(performance.now() - startedAt).toBeLessThan(5_000);
    },
  );

  test("may write the status line itself, after answers that are none", async () => {
    const answer = await site.ask("nph.cgi");
    expect([answer.status, answer.text()]).toEqual([404, "gone"]);
  });

  test("that does not end its header is a 502 with its first line in the log, and runs once", async () => {
    expect((await site.ask("half.cgi")).status).toBe(502);
    await logged(site.fpm, 'printed no whole header: its first line is "Content-Type: text/plain"');
    expect(await Bun.file(`${site.root}/ran`).text()).toBe("ran\n");
  });

  test.each(["half", "word"])(
    "that breaks off by a signal before its header ends runs once: %s",
    async (name) => {
      expect((await site.ask(`crash-${name}.cgi`)).status).toBe(502);
      await logged(site.fpm, "ended by SIGSEGV and printed no whole header");
      expect(await Bun.file(`${site.root}/ran-${name}`).text()).toBe("ran\n");
    },
  );

  test("is passed on as it comes, also of a program that usually ends at once", async () => {
    using client = await connectFcgi(site.fpm.socket);
    const script = `${site.root}/now-and-then.cgi`;
    for (let id = 1; id <= 20; id++) await client.request(script, { id, keepConn: true });
    const params = { QUERY_STRING: "wait" };
    await client.send(client.encode(script, { id: 21, params }));
    const begun = () =>
      client.records.some(({ requestId, content }) => requestId === 21 && content.length > 0);
    await waitUntil("it has begun", begun);
    site.put("go", "");
    expect((await client.answer(21)).stdout).toEndWith("begun\ndone\n");
  });

  test("sees the end of its input as an authorizer, which gets no body", async () => {
    using client = await connectFcgi(site.fpm.socket);
    for (const body of [undefined, new Uint8Array(0)]) {
      const { stdout } = await client.request(`${site.root}/early.cgi`, {
        role: FCGI_AUTHORIZER,
        keepConn: true,
        ...(body ? { body } : { body: null }),
      });
      expect(stdout).toEndWith("read 0 bytes\n");
    }
  });

  test("goes on as long as something that it has started prints, and ends a second after that", async () => {
    expect(await site.text("through.cgi")).toBe([1, 2, 3, 4, 5, 6].map((n) => `line ${n}\n`).join(""));
    const asked = performance.now();
    expect(await site.text("silent.cgi")).toBe("answered\n");
    expect(performance.now() - asked).toBeLessThan(4_000);
    await logged(site.fpm, "what it has started holds its output");
  });

  test("that closes its output and works on has answered", async () => {
    const startedAt = performance.now();
    expect(await site.text("closes.cgi")).toBe("short");
    expect(performance.now() - startedAt).toBeLessThan(4_000);
  });

  test.each([
    ["client", "to the client", false],
    ["both", "to both", true],
  ])("has its stderr in the web server's log where stderr = %j", async (folder, line, isLogged) => {
    expect(await site.text(`${folder}/err.cgi`)).toBe("answered\n");
    await waitUntil("nginx has it", () => site.nginx.errorLog().includes(line));
    expect(site.fpm.log().includes(line)).toBe(isLogged);
  });

  test("has all of its last words in the web server's log, however quickly it ends", async () => {
    using client = await connectFcgi(site.fpm.socket);
    for (let i = 0; i < 30; i++) {
      const { stdout, stderr } = await client.request(`${site.root}/client/quick.cgi`, {
        id: i + 1,
        keepConn: true,
      });
      expect([stdout.endsWith("answered\n"), stderr]).toEqual([true, "last words\n"]);
    }
  });

  test("leaves a job that prints on stderr: that goes on, and is in the log and in nobody else's answer", async () => {
    using client = await connectFcgi(site.fpm.socket);
    const late = `${site.root}/client/late.cgi`;
    const first = await client.request(late, { id: 1, keepConn: true, params: { HTTP_X_NAME: "first" } });
    expect([first.stdout.endsWith("answered\n"), first.stderr]).toEqual([true, ""]);
    // The next ones are at work in the same place while it prints.
    for (let i = 2; !existsSync(`${site.root}/client/late`); i++) {
      const { stderr } = await client.request(`${site.root}/client/quick.cgi`, { id: i, keepConn: true });
      expect(stderr).toBe("last words\n");
    }
    await waitUntil("it is in the log", () => site.fpm.log().includes("later than first"));
  });

  test("ends, and leaves nothing open, when its client has left before it has begun", async () => {
    await site.text("large.cgi");
    const processes = () => childrenOf(site.fpm.pid).length;
    await waitUntil("it is over", () => processes() === 0);
    const descriptors = site.fpm.descriptors();
    for (let round = 0; round < 12; round++) {
      for (const afterMs of [0, 1, 2, 4]) {
        const client = await connectFcgi(site.fpm.socket);
        await client.send(client.encode(`${site.root}/large.cgi`));
        await Bun.sleep(afterMs);
        client[Symbol.dispose]();
      }
    }
    await waitUntil("all are over", () => processes() === 0);
    await waitUntil("their descriptors are closed", () => site.fpm.descriptors() <= descriptors + 2);
  });
});

test("a user's program may open its input, its output and its errors by their names", async () => {
  if (!isRoot) return;
  await using site = await startSite({
    app: 'protocol = "cgi"\nextensions = [".cgi"]\nuser = "5"\ngroup = "60"',
    files: {
      "names.cgi": `#!/bin/sh\n${HEAD}\ncat /dev/stdin >/dev/stdout && echo "told to $(id -u)" >/dev/stderr\n`,
    },
  });
  for (const path of [dirname(site.root), site.root]) chmodSync(path, 0o755);
  expect((await site.ask("names.cgi", { method: "POST", body: Buffer.from("what was sent") })).text()).toBe(
    "what was sent",
  );
  await logged(site.fpm, "told to 5");
});
