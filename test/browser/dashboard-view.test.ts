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
async function startTcpSite(options: SiteOptions = {}) {
  const port = freePort();
  const site = await startSite({ ...options, apps: `[admin]\nlisten = "127.0.0.1:${port}"\n` });
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
    expect(await page.getByRole("button").count()).toBe(0);
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

describe("the dashboard in any light and on any screen", () => {
  test("has 48 programs of 104, more when they are asked for, and any that is looked for", async () => {
    const names = Array.from({ length: 104 }, (_, number) => `p${String(number).padStart(3, "0")}.fcgi`);
    await using tcp = await startTcpSite({ lab: names });
    const { site } = tcp;
    for (const name of names) await site.text(name);
    await using dashboard = await openDashboard(browser, tcp.port);
    const { page } = dashboard;
    const cards = page.getByRole("article");
    const shown = page.locator("#shown");
    expect([await cards.count(), await shown.textContent()]).toEqual([48, "48 of 104 shown"]);
    expect(await page.locator("tbody[data-field=rows] tr").count()).toBe(0);
    await page.getByRole("button", { name: "Show more" }).click();
    expect([await cards.count(), await shown.textContent()]).toEqual([96, "96 of 104 shown"]);
    await page.getByLabel("Filter by name").fill("P10");
    const heads = await cards.getByRole("heading").allTextContents();
    expect(heads).toEqual(["p100", "p101", "p102", "p103"].map((name) => `${site.root}/${name}.fcgi`));
    await cards.first().getByText("1 process", { exact: true }).click();
    await page.locator("tbody[data-field=rows] tr").waitFor();
    await page.getByLabel("Filter by name").fill("nothing is called so");
    expect([await cards.count(), await shown.textContent()]).toEqual([0, "0 of 104 shown"]);
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
    for (const part of [...parts, dashboard.page.locator("#connection")]) {
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
