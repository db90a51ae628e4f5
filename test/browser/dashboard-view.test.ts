import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Browser, Locator } from "playwright-core";
import type { Snapshot } from "../../src/status/snapshot.ts";
import { formatSeconds } from "../../src/status/units.ts";
import { launchBrowser, openDashboard } from "../support/dashboard.ts";
import { handOver } from "../support/hand-over.ts";
import { sendHanging } from "../support/hanging-request.ts";
import { freePort } from "../support/server-process.ts";
import { type SiteOptions, startSite } from "../support/site.ts";
import { waitUntil } from "../support/wait-until.ts";

const CGI = "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nok'\n";
/** What ends a request that never would, when its client has gone. */
const HANGING = 'abort_timeout = "50ms"';

let browser: Browser;

beforeAll(async () => {
  browser = await launchBrowser();
});
afterAll(async () => {
  await browser.close();
});

/** A site with status and control at a TCP port. */
async function startTcpSite(options: SiteOptions = {}, more = "") {
  const port = freePort();
  const site = await startSite({ ...options, apps: `${more}[admin]\nlisten = "127.0.0.1:${port}"\n` });
  const snapshot = async () =>
    (await (await fetch(`http://127.0.0.1:${port}/status.json?full`)).json()) as Snapshot;
  return { site, port, snapshot, [Symbol.asyncDispose]: () => site[Symbol.asyncDispose]() };
}

describe("the dashboard at a TCP address", () => {
  test("shows the numbers of /status.json, and no button", async () => {
    await using tcp = await startTcpSite({ lab: ["lab.fcgi", "exit-at-boot.fcgi"] });
    const { site } = tcp;
    for (let turn = 0; turn < 3; turn++) await site.text("lab.fcgi");
    await site.ask("missing.fcgi");
    await using dashboard = await openDashboard(browser, tcp.port);
    const { page, field } = dashboard;
    const { total, programs, ...daemon } = await tcp.snapshot();
    const [program] = programs;
    expect(await page.locator("#version").textContent()).toBe(daemon.version);
    expect(await field("pid")).toBe(String(site.fpm.pid));
    expect(await field("state")).toBe("running");
    expect(await field("processes")).toBe(`1 of ${daemon.max_processes}, on ${daemon.cores} cores`);
    const all = page.locator("#total");
    expect(await field("requests", all)).toBe("4");
    expect(await all.getByLabel("Requests that failed").textContent()).toBe("SCRIPT_NOT_FOUND 1");
    const card = dashboard.program(`${site.root}/lab.fcgi`);
    expect([await field("idle", card), await field("busy", card)]).toEqual(["1", "0"]);
    expect(await field("requests", card)).toBe("3");
    for (const part of ["p50", "p90", "p99"] as const) {
      expect(await field(part, card)).toBe(formatSeconds(program?.latency[`${part}_seconds`] ?? null));
      expect(await field(part, all)).toBe(formatSeconds(total.latency[`${part}_seconds`]));
    }
    const row = card.locator("tbody[data-field=rows] tr");
    expect(await row.locator("[data-field=pid]").allTextContents()).toEqual([await site.text("lab.fcgi")]);
    await waitUntil("that one is counted, too", async () => (await field("requests", card)) === "4");
    expect(await field("memory", card)).toMatch(/^\d.* [KM]iB$/);
    expect(
      await page.getByRole("button", { name: /Restart|Drain|Kill|Stop|Upgrade|Reload|Reopen/ }).count(),
    ).toBe(0);
    expect(dashboard.problems).toEqual([]);
  });

  test("follows what happens, without being loaded again", async () => {
    await using tcp = await startTcpSite();
    const { site } = tcp;
    await site.text("lab.fcgi");
    await using dashboard = await openDashboard(browser, tcp.port);
    const card = dashboard.program(`${site.root}/lab.fcgi`);
    expect(await dashboard.field("requests", card)).toBe("1");
    let asked = 1;
    const rate = await waitUntil("there is a rate", async () => {
      for (const end = performance.now() + 200; performance.now() < end; asked++) await site.text("lab.fcgi");
      const shown = await dashboard.field("rate", card);
      return Number(shown) > 5 ? Number(shown) : undefined;
    });
    expect(rate).toBeLessThan(asked);
    await waitUntil(
      "the last one is counted",
      async () => (await dashboard.field("requests", card)) === String(asked),
    );
    expect(await dashboard.field("recent-p50", card)).toMatch(/ ms$/);
    const path = card.locator("[data-field=rate-spark] path");
    await waitUntil("a line is drawn", async () =>
      /^M[\d.]+ [\d.]+h0L/.test((await path.getAttribute("d")) ?? ""),
    );
  });

  test("shows a busy process with its request and how long it is at it, and who waits", async () => {
    await using tcp = await startTcpSite({ app: `max_processes = 1\n${HANGING}` });
    const { site } = tcp;
    const script = `${site.root}/lab.fcgi`;
    const pid = await site.text("lab.fcgi");
    using _atWork = await sendHanging(site.fpm, script, { REQUEST_URI: "/cart?secret=1" });
    using _waiting = await sendHanging(site.fpm, script);
    await waitUntil("one is at work, one waits", async () => {
      const { total } = await tcp.snapshot();
      return total.in_flight === 1 && total.queue_length === 1;
    });
    await using dashboard = await openDashboard(browser, tcp.port);
    const card = dashboard.program(script);
    const row = card.getByRole("row", { name: pid });
    const age = async () => {
      const work = await row.locator("[data-field=work]").textContent();
      const [, number, unit] = /^GET \/cart for ([\d.]+) (m?s)$/.exec(work ?? "") ?? [];
      return Number(number) / (unit === "ms" ? 1000 : 1);
    };
    expect(await row.locator("[data-field=state]").textContent()).toBe("busy");
    const first = await age();
    expect(first).toBeGreaterThan(0);
    expect(await dashboard.field("longest", card)).toEndWith(": GET /cart");
    expect([await dashboard.field("queue", card), await dashboard.field("in-flight", card)]).toEqual([
      "1",
      "1",
    ]);
    expect(await dashboard.field("oldest", card)).toStartWith("the oldest for ");
    await waitUntil("it gets older", async () => (await age()) > first + 1);
    expect(await dashboard.page.content()).not.toContain("secret");
  });

  test("shows what went wrong last, and why", async () => {
    await using tcp = await startTcpSite({ lab: ["lab.fcgi", "exit-at-boot.fcgi"] });
    const { site } = tcp;
    await site.text("lab.fcgi");
    await site.ask("lab.fcgi?op=die-before");
    await site.ask("exit-at-boot.fcgi");
    await using dashboard = await openDashboard(browser, tcp.port);
    const error = async (name: string) => {
      const card = dashboard.program(`${site.root}/${name}`);
      await card.locator("[data-field=error]").waitFor();
      const parts = ["error-code", "error-message", "error-age"].map((part) => dashboard.field(part, card));
      return await Promise.all(parts);
    };
    const [code, message, age] = await error("lab.fcgi");
    const { programs } = await tcp.snapshot();
    const lab = programs.find(({ name }) => name.endsWith("lab.fcgi"));
    expect([code, message]).toEqual([lab?.last_error?.code, lab?.last_error?.message]);
    expect(age).toMatch(/ m?s ago$/);
    expect((await error("exit-at-boot.fcgi")).slice(0, 2).join(": ")).toMatch(
      /^BOOT_FAILED: .* exited with status 3 before it accepted a connection/,
    );
    const card = dashboard.program(`${site.root}/exit-at-boot.fcgi`);
    expect(await card.getByLabel("Requests that failed").textContent()).toBe("BOOT_FAILED 1");
  });

  test("follows the next daemon after SIGUSR2", async () => {
    await using tcp = await startTcpSite();
    await using dashboard = await openDashboard(browser, tcp.port);
    const pid = await handOver(tcp.site.fpm);
    await waitUntil("the new one is shown", async () => (await dashboard.field("pid")) === String(pid));
    expect(await dashboard.field("state")).toBe("running");
  });
});

describe("trouble", () => {
  const SATURATED = '[[apps]]\nmatch = "**/full.fcgi"\nmax_processes = 1\n';

  async function startTroubled() {
    const healthy = Array.from({ length: 8 }, (_, number) => `a${number}.fcgi`);
    const tcp = await startTcpSite(
      { lab: [...healthy, "full.fcgi", "z-errors.fcgi", "exit-at-boot.fcgi"], app: HANGING },
      SATURATED,
    );
    const { site } = tcp;
    for (const name of healthy) await site.text(name);
    await site.ask("exit-at-boot.fcgi");
    const atWork = await sendHanging(site.fpm, `${site.root}/full.fcgi`, { REQUEST_URI: "/checkout" });
    const waiting = await sendHanging(site.fpm, `${site.root}/full.fcgi`);
    return {
      ...tcp,
      healthy,
      [Symbol.asyncDispose]: async () => {
        atWork[Symbol.dispose]();
        waiting[Symbol.dispose]();
        await tcp[Symbol.asyncDispose]();
      },
    };
  }

  test("comes first: how many programs, which, since when, and why", async () => {
    await using tcp = await startTroubled();
    const { site, port, healthy } = tcp;
    await using dashboard = await openDashboard(browser, port);
    const { page } = dashboard;
    for (let i = 0; i < 3; i++) await site.ask("z-errors.fcgi?op=status&code=500");
    await page.getByRole("heading", { name: "3 programs are in trouble" }).waitFor();
    const lines = page.locator("#troubles li");
    const texts = async () =>
      (await lines.allTextContents()).map((text) => text.replaceAll(/\s+/g, " ").trim());
    await waitUntil("it waits", async () => (await texts()).some((text) => text.startsWith("saturated")));
    const [first, second, third] = (await texts()) as [string, string, string];
    expect(first).toMatch(
      /^failing .*exit-at-boot\.fcgi (for \d.* m?s|just now) .*exited with status 3 before it accepted a connection/,
    );
    expect(second).toMatch(
      /^failing .*z-errors\.fcgi .* 3 of 3 requests were answered with 5xx in the last minute/,
    );
    expect(third).toMatch(
      /^saturated .*full\.fcgi for \d.* s 1 waits, the oldest for .* s: its one process is busy; raise max_processes, or look at GET \/checkout \(pid \d+, at it for .*\)$/,
    );
    const names = await page.locator("#programs > tbody th").allTextContents();
    expect(names.slice(0, 3).map((name) => name.replace(`${site.root}/`, ""))).toEqual([
      "exit-at-boot.fcgi",
      "z-errors.fcgi",
      "full.fcgi",
    ]);
    expect(names).toHaveLength(healthy.length + 3);
    expect(await page.title()).toBe(`(3) ${(await tcp.snapshot()).hostname}: std-fpm`);
    const row = page.locator("#programs > tbody", { hasText: "full.fcgi" });
    expect(await row.locator("[data-field=state]").first().textContent()).toBe("saturated");
    expect(await dashboard.field("row-busy", row)).toBe("1 of 1, limit 1");
    expect(await dashboard.field("row-waiting", row)).toMatch(/^1, for \d/);
    // The name leads to all that is known.
    await page.getByLabel("Filter by name").fill("a0");
    await lines.nth(2).getByRole("button").click();
    await dashboard.program(`${site.root}/full.fcgi`).getByText("busy", { exact: true }).first().waitFor();
    expect(dashboard.problems).toEqual([]);
  });

  test("is the order until another column is pressed, by mouse or key", async () => {
    await using tcp = await startTroubled();
    await using dashboard = await openDashboard(browser, tcp.port, {
      viewport: { width: 1280, height: 900 },
    });
    const { page } = dashboard;
    const names = async () =>
      (await page.locator("#programs > tbody th").allTextContents()).map((name) => name.replace(/.*\//, ""));
    const sorted = async () =>
      await page.locator("th[aria-sort]:not([aria-sort=none])").getAttribute("data-sort");
    expect([await sorted(), (await names())[0]]).toEqual(["state", "exit-at-boot.fcgi"]);
    await page.getByRole("button", { name: "program", exact: true }).click();
    const byName = await names();
    expect([await sorted(), byName]).toEqual(["name", [...byName].sort()]);
    await page.getByRole("button", { name: "program", exact: true }).press("Enter");
    expect(await names()).toEqual([...byName].sort().reverse());
    await page.getByRole("button", { name: "waiting", exact: true }).click();
    expect((await names())[0]).toBe("full.fcgi");
    for (const head of await page.locator("#programs thead button").all()) await head.click();
    expect(dashboard.problems).toEqual([]);
  });

  test("is none where nothing is wrong", async () => {
    await using tcp = await startTcpSite();
    await tcp.site.text("lab.fcgi");
    await using dashboard = await openDashboard(browser, tcp.port);
    await dashboard.page.getByRole("heading", { name: "No program is in trouble" }).waitFor();
    expect(await dashboard.page.locator("#troubles li").count()).toBe(0);
    expect(await dashboard.page.title()).toBe(`${(await tcp.snapshot()).hostname}: std-fpm`);
  });
});

describe("the dashboard in any light and on any screen", () => {
  test("has a line for each of 204 programs, and any that is looked for, with all that is known of it", async () => {
    const names = Array.from({ length: 204 }, (_, number) => `p${String(number).padStart(3, "0")}.cgi`);
    const files = Object.fromEntries(names.map((name) => [name, CGI]));
    const cgi = '[[apps]]\nmatch = "**/*.cgi"\nextensions = [".cgi"]\nprotocol = "cgi"\n';
    await using tcp = await startTcpSite({ lab: [], files }, cgi);
    const { site } = tcp;
    for (const name of names) await site.text(name);
    await using dashboard = await openDashboard(browser, tcp.port, {
      viewport: { width: 1280, height: 900 },
    });
    const { page } = dashboard;
    const lines = page.locator("#programs > tbody");
    const shown = page.locator("#shown");
    expect([await lines.count(), await shown.textContent()]).toEqual([200, "200 of 204 shown"]);
    const box = await page.locator("#programs").boundingBox();
    expect(box?.height).toBeLessThan(200 * 30);
    expect(await page.getByRole("article").count()).toBe(0);
    await page.getByRole("button", { name: "Show more" }).click();
    expect([await lines.count(), await shown.textContent()]).toEqual([204, "204 of 204 shown"]);
    await page.getByLabel("Filter by name").fill("P10");
    const heads = await lines.locator("th").allTextContents();
    const found = Array.from({ length: 10 }, (_, number) => `${site.root}/p10${number}.cgi`);
    expect(heads.sort()).toEqual(found);
    await page.getByRole("button", { name: found[3] as string }).click();
    await dashboard.program(found[3] as string).waitFor();
    await page.getByLabel("Filter by name").fill("nothing is called so");
    expect([await lines.count(), await shown.textContent()]).toEqual([0, "0 of 204 shown"]);
  });

  test.each(["light", "dark"] as const)("is readable when it is %s", async (colorScheme) => {
    await using tcp = await startTcpSite({ lab: ["exit-at-boot.fcgi"] });
    await tcp.site.ask("exit-at-boot.fcgi");
    await using dashboard = await openDashboard(browser, tcp.port, { colorScheme });
    const card = dashboard.program(`${tcp.site.root}/exit-at-boot.fcgi`);
    await card.locator(".failures li").waitFor();
    const background = await colorOf(card, "background-color");
    expect(luminanceOf(background) > 0.5).toBe(colorScheme === "light");
    const parts = ["h3", ".note", "dt", ".failures li"].map((part) => card.locator(part).first());
    const { page } = dashboard;
    const words = [
      "#connection",
      "#troubles .word",
      "#troubles .link",
      ".row .word",
      ".row .link",
      "thead button",
      "nav a",
    ];
    for (const part of [...parts, ...words.map((each) => page.locator(each).first())]) {
      const contrast = contrastOf(await colorOf(part, "color"), background);
      expect(contrast).toBeGreaterThan(4.5);
    }
  });

  test("fits a phone of 360 pixels, whatever length a name has", async () => {
    const name = `${"long".repeat(50)}.fcgi`;
    await using tcp = await startTcpSite({ lab: [name, "exit-at-boot.fcgi"], app: HANGING });
    const { site } = tcp;
    await site.ask("exit-at-boot.fcgi");
    using _busy = await sendHanging(site.fpm, `${site.root}/${name}`, { REQUEST_URI: `/${name}` });
    await waitUntil("it is at work", async () => (await tcp.snapshot()).total.in_flight === 1);
    await using dashboard = await openDashboard(browser, tcp.port, { viewport: { width: 360, height: 780 } });
    await dashboard.page.getByText("At work for the longest time").waitFor();
    for (const word of ["failing", "busy"])
      await dashboard.page.locator("#programs .word", { hasText: word }).waitFor();
    expect(await dashboard.page.locator("html").evaluate((html) => html.scrollWidth)).toBe(360);
  });
});

/** A colour that an element has on the screen, as "r, g, b". */
async function colorOf(element: Locator, property: string): Promise<string> {
  const value = await element.evaluate(
    (shown, name) => shown.ownerDocument.defaultView.getComputedStyle(shown).getPropertyValue(name),
    property,
  );
  return /\d+, \d+, \d+/.exec(value)?.[0] ?? "";
}

/** By WCAG 2: 0 is black, 1 is white. */
function luminanceOf(color: string): number {
  const [red = 0, green = 0, blue = 0] = color.split(",").map((part) => {
    const value = Number(part) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrastOf(one: string, other: string): number {
  const [dark = 0, light = 0] = [luminanceOf(one), luminanceOf(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}
