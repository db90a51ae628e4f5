import { describe, expect, test } from "bun:test";
import { Check } from "@sinclair/typebox/value";
import { snapshotSchema } from "../../src/status/snapshot.ts";
import { command, snapshotOf } from "../support/admin.ts";
import { connectFcgi } from "../support/fcgi-connection.ts";
import { startSite } from "../support/site.ts";
import { waitUntil } from "../support/wait-until.ts";

describe("the status", () => {
  test("counts what has happened: answers, refusals, exits, bytes, times", async () => {
    await using site = await startSite({ lab: ["lab.fcgi", "exit-at-boot.fcgi", "exit-each.fcgi"] });
    for (let turn = 0; turn < 3; turn++) await site.text("lab.fcgi");
    await site.ask("none.fcgi");
    await site.ask("exit-at-boot.fcgi");
    await site.text("exit-each.fcgi");
    const lab = Number(await site.text("lab.fcgi"));
    process.kill(lab, "SIGKILL");
    const now = await waitUntil("all have ended", async () => {
      const snapshot = await snapshotOf(site.fpm);
      const { exits } = snapshot.total;
      return exits.crash === 1 && exits.own_will === 1 && exits.boot_failure > 0 ? snapshot : undefined;
    });
    expect(Check(snapshotSchema, now)).toBe(true);
    expect(now.total.requests).toEqual({ answered: 5, refused: 2, truncated: 0, client_left: 0 });
    expect(now.total.failures).toEqual({ SCRIPT_NOT_FOUND: 1, BOOT_FAILED: 1 });
    const program = (name: string) => now.programs.find((each) => each.name === `${site.root}/${name}.fcgi`);
    expect(program("lab")?.requests.answered).toBe(4);
    expect(program("lab")?.latency.count).toBe(4);
    expect(program("lab")?.wait.count).toBe(4);
    expect(program("lab")?.sent_bytes).toBeGreaterThan(100);
    expect(program("lab")?.received_bytes).toBeGreaterThan(1000);
    expect(program("lab")?.last_error?.message).toBe(
      `pid ${lab} ended by SIGKILL, not by std-fpm: the kernel's memory killer, or somebody`,
    );
    expect(program("exit-at-boot")?.failed_starts).toBeGreaterThan(0);
    expect(program("exit-at-boot")?.last_error?.code).toBe("BOOT_FAILED");
  });

  test("shows what is at work and what waits, while it does", async () => {
    await using site = await startSite({ app: "max_processes = 1" });
    const asked = [1, 2, 3].map(() => site.ask("lab.fcgi?op=sleep&ms=700&secret=1"));
    const now = await waitUntil("one is at work, two wait", async () => {
      const snapshot = await snapshotOf(site.fpm);
      return snapshot.total.queue_length === 2 && snapshot.total.in_flight === 1 ? snapshot : undefined;
    });
    const [process] = now.programs[0]?.process_list ?? [];
    expect(process).toMatchObject({ state: "busy", served: 0 });
    expect(process?.memory_bytes).toBeGreaterThan(100_000);
    expect(process?.requests[0]).toMatchObject({ method: "GET", uri: "/direct/lab.fcgi" });
    expect(JSON.stringify(now)).not.toContain("secret");
    expect(now.total.queue_oldest_seconds).toBeGreaterThan(0);
    await Promise.all(asked);
    const { total } = await snapshotOf(site.fpm);
    expect([total.queued, total.queue_length]).toEqual([3, 0]);
    expect(total.wait.p99_seconds).toBeGreaterThan(0.5);
  });

  test("counts each process of a CGI program", async () => {
    const script = "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\nhi'\n";
    await using site = await startSite({
      files: { "a.cgi": script },
      app: 'protocol = "cgi"\nextensions = [".cgi"]',
    });
    for (let turn = 0; turn < 3; turn++) expect(await site.text("a.cgi")).toBe("hi");
    await waitUntil("all have ended", async () => {
      const { started, exits } = (await snapshotOf(site.fpm)).total;
      return started === 3 && exits.own_will + exits.asked_for === 3;
    });
  });

  test("counts what came to no program: broken records, heads that are too large", async () => {
    await using site = await startSite();
    using broken = await connectFcgi(site.fpm.socket);
    await broken.send(Buffer.from("GET / HTTP/1.1\r\n\r\n"));
    await broken.closed();
    using large = await connectFcgi(site.fpm.socket);
    const { stdout } = await large.request("/x.fcgi", { params: { HTTP_X: "x".repeat(300_000) } });
    expect(stdout).toStartWith("Status: 400");
    expect((await snapshotOf(site.fpm)).others.failures).toEqual({ PROTOCOL: 1, HEAD_TOO_LARGE: 1 });
  });

  test("keeps the numbers of a program whose processes have gone", async () => {
    await using site = await startSite({ app: 'idle_timeout = "100ms"' });
    await site.text("lab.fcgi");
    const program = await waitUntil("it has gone", async () =>
      (await snapshotOf(site.fpm)).programs.find(({ is_gone }) => is_gone),
    );
    expect([program.name, program.requests.answered, program.exits.asked_for]).toEqual([
      `${site.root}/lab.fcgi`,
      1,
      1,
    ]);
    await site.text("lab.fcgi");
    const [again] = (await snapshotOf(site.fpm)).programs;
    expect([again?.is_gone, again?.requests.answered]).toEqual([false, 2]);
  });
});

describe("std-fpm status", () => {
  test("is a table, with --json the snapshot, with --full every process", async () => {
    await using site = await startSite();
    const pid = await site.text("lab.fcgi");
    const plain = await command(site.fpm, "status");
    expect([plain.status, plain.err]).toEqual([0, ""]);
    expect(plain.out).toContain(`${site.root}/lab.fcgi\n`);
    expect(plain.out).not.toContain("SERVED");
    expect((await command(site.fpm, "status", "--full")).out).toMatch(new RegExp(`^ +${pid} .* idle$`, "m"));
    const json = await command(
      site.fpm,
      "status",
      "--json",
      "--full",
      "--socket",
      `${site.fpm.runtimeDir}/admin.sock`,
    );
    expect(Check(snapshotSchema, JSON.parse(json.out))).toBe(true);
  });

  test("says when nobody is there, and ends with status 1", async () => {
    const { out, err, status } = await command(
      { configFile: "/dev/null" } as never,
      "status",
      "--socket",
      "/nonexistent/x",
    );
    expect([out, status]).toEqual(["", 1]);
    expect(err).toStartWith("std-fpm: nobody answers at /nonexistent/x: there is no such socket");
  });
});
