import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Browser } from "playwright-core";
import { snapshotOf } from "../support/admin.ts";
import { type Dashboard, launchBrowser, openDashboard } from "../support/dashboard.ts";
import { sendHanging } from "../support/hanging-request.ts";
import { isAlive } from "../support/processes.ts";
import { type Site, type SiteOptions, startSite } from "../support/site.ts";
import { startTcpRelay } from "../support/tcp-relay.ts";
import { waitUntil } from "../support/wait-until.ts";

let browser: Browser;

beforeAll(async () => {
  browser = await launchBrowser();
});
afterAll(async () => {
  await browser.close();
});

/** A site, and its dashboard as one sees it through `ssh -L`. */
async function startRelayedSite(options: SiteOptions = {}) {
  const site = await startSite(options);
  const relay = await startTcpRelay(`${site.fpm.runtimeDir}/admin.sock`);
  return {
    site,
    open: () => openDashboard(browser, relay.port),
    async [Symbol.asyncDispose]() {
      await relay[Symbol.asyncDispose]();
      await site[Symbol.asyncDispose]();
    },
  };
}

/** Presses a button; the question that comes. */
async function press({ page }: Dashboard, name: string): Promise<string> {
  await page.getByRole("button", { name, exact: true }).click();
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  return (await dialog.locator("h2, p").allTextContents()).join(" ");
}

/** Says yes; what came of it. */
async function confirm({ page }: Dashboard): Promise<string> {
  await page.locator("#confirm").click();
  const result = page.locator("#results p:is(.done, .failed)").last();
  await result.waitFor();
  const kind = await result.getAttribute("class");
  const text = await result.evaluate((element) => element.firstChild?.textContent);
  await page.getByRole("button", { name: "Dismiss" }).click();
  return `${kind}: ${text}`;
}

const pidsOf = async ({ fpm }: Site) =>
  (await snapshotOf(fpm)).programs.flatMap(({ process_list = [] }) => process_list.map(({ pid }) => pid));

describe("an action on the dashboard", () => {
  test("is not done when one says no, by button or key", async () => {
    await using relayed = await startRelayedSite();
    const { site } = relayed;
    const pid = Number(await site.text("lab.fcgi"));
    await using dashboard = await relayed.open();
    const dialog = dashboard.page.getByRole("dialog");
    await press(dashboard, `Restart ${site.root}/lab.fcgi`);
    await dashboard.page.getByRole("button", { name: "Cancel" }).click();
    expect(await dialog.isVisible()).toBe(false);
    await press(dashboard, `Kill process ${pid} of ${site.root}/lab.fcgi`);
    await dashboard.page.keyboard.press("Escape");
    expect(await dialog.isVisible()).toBe(false);
    await press(dashboard, "Stop");
    // The safe answer has the focus.
    await dashboard.page.keyboard.press("Enter");
    expect(await dialog.isVisible()).toBe(false);
    expect([dashboard.posts, await pidsOf(site)]).toEqual([[], [pid]]);
  });

  test("restart puts a new process into the place of each", async () => {
    await using relayed = await startRelayedSite();
    const { site } = relayed;
    const pid = Number(await site.text("lab.fcgi"));
    await using dashboard = await relayed.open();
    const program = `${site.root}/lab.fcgi`;
    expect(await press(dashboard, `Restart ${program}`)).toBe(
      `Restart ${program}? New processes take the place of its 1 process, which finish what they are at. ` +
        "No request is lost. If no new one can start, the present ones go on.",
    );
    expect(await confirm(dashboard)).toBe(`done: Restart: ${program}: new processes take the place of 1`);
    expect(dashboard.posts).toEqual([`/restart?of=${encodeURIComponent(program)}`]);
    await waitUntil("it has gone", () => !isAlive(pid));
    const [next] = await pidsOf(site);
    expect(next).not.toBe(pid);
    await dashboard
      .program(program)
      .getByRole("row", { name: String(next) })
      .waitFor();
    expect(dashboard.problems).toEqual([]);
  });

  test("kill ends one process, and names the request that fails", async () => {
    await using relayed = await startRelayedSite();
    const { site } = relayed;
    const pid = Number(await site.text("lab.fcgi"));
    const busy = site.ask("lab.fcgi?op=hang", { method: "POST", body: Buffer.from("x") });
    await waitUntil("it is at work", async () => (await snapshotOf(site.fpm)).total.in_flight === 1);
    await using dashboard = await relayed.open();
    const question = await press(dashboard, `Kill process ${pid} of ${site.root}/lab.fcgi`);
    expect(question).toMatch(
      /gets SIGKILL at once\. It has been at work on POST \/direct\/lab\.fcgi for .*: that breaks off/,
    );
    expect(await confirm(dashboard)).toMatch(/^done: Kill: .* was killed while it was at work on 1 request$/);
    expect([isAlive(pid), (await busy).status]).toEqual([false, 502]);
  });

  test("drain, reload, reopened logs and upgrade say what came of them", async () => {
    await using relayed = await startRelayedSite();
    const { site } = relayed;
    const pid = Number(await site.text("lab.fcgi"));
    await using dashboard = await relayed.open();
    await press(dashboard, `Drain ${site.root}/lab.fcgi`);
    expect(await confirm(dashboard)).toMatch(/^done: Drain: .*: 1 process ends when it is free; /);
    await waitUntil("it has gone", () => !isAlive(pid));
    await press(dashboard, "Reload");
    expect(await confirm(dashboard)).toBe(
      "done: Reload: the configuration was reloaded: nothing has changed",
    );
    await press(dashboard, "Reopen logs");
    expect(await confirm(dashboard)).toBe("done: Reopen logs: the logs were opened anew");
    const before = site.fpm.pid;
    expect(await press(dashboard, "Upgrade")).toContain(`pid ${before} finishes 0 requests and ends`);
    expect(await confirm(dashboard)).toBe(
      `done: Upgrade: pid ${site.fpm.pid} has taken over from pid ${before}`,
    );
    expect(site.fpm.pid).not.toBe(before);
    const shown = () => dashboard.field("pid");
    await waitUntil("the new one is shown", async () => (await shown()) === String(site.fpm.pid));
  });

  test("stop ends it: the page says how old it is, and goes on with the next daemon", async () => {
    await using relayed = await startRelayedSite();
    const { site } = relayed;
    const { pid } = site.fpm;
    await using dashboard = await relayed.open();
    const { page } = dashboard;
    expect(await press(dashboard, "Stop")).toStartWith(`Stop std-fpm? Pid ${pid} takes no more requests`);
    expect(await confirm(dashboard)).toBe("done: Stop: finishes 0 requests in flight, then ends");
    await page.getByText("not connected", { exact: true }).waitFor();
    await page.getByText(/^what is shown is \d.* m?s old$/).waitFor();
    expect(await site.fpm.exited).toBe(0);
    await press(dashboard, "Reload");
    expect(await confirm(dashboard)).toStartWith("failed: Reload: std-fpm did not answer");
    await site.restart();
    await page.getByText("live", { exact: true }).waitFor();
    expect(await dashboard.field("pid")).toBe(String(site.fpm.pid));
  });

  test("can be reached by keys, and neither the focus nor the question is lost when numbers change", async () => {
    await using relayed = await startRelayedSite();
    const { site } = relayed;
    await site.text("lab.fcgi");
    await using dashboard = await relayed.open();
    const { page } = dashboard;
    const restart = page.getByRole("button", { name: /^Restart / });
    const hasFocus = () => restart.evaluate((button) => button.matches(":focus"));
    await page.getByLabel("Filter by name").focus();
    await waitUntil("Tab leads there", async () => {
      await page.keyboard.press("Tab");
      return hasFocus();
    });
    const uptime = await dashboard.field("uptime");
    site.put("another.fcgi", { copyOf: `${site.root}/lab.fcgi` });
    await site.text("another.fcgi");
    await page.getByRole("heading", { name: `${site.root}/another.fcgi` }).waitFor();
    expect(await dashboard.field("uptime")).not.toBe(uptime);
    expect(await page.locator(":focus").getAttribute("aria-label")).toBe(`Restart ${site.root}/lab.fcgi`);
    await page.keyboard.press("Enter");
    const text = await page.getByRole("dialog").textContent();
    const total = page.locator("#total");
    const requests = await dashboard.field("requests", total);
    await site.text("lab.fcgi");
    await waitUntil("it is counted", async () => (await dashboard.field("requests", total)) !== requests);
    expect(await page.getByRole("dialog").textContent()).toBe(text);
    expect(await page.locator(":focus").textContent()).toBe("Cancel");
    await page.keyboard.press("Escape");
    expect(await page.locator(":focus").getAttribute("aria-label")).toBe(`Restart ${site.root}/lab.fcgi`);
  });
});

test("names of programs, requests and errors are text, whatever is in them", async () => {
  const name = `<img src=x onerror=alert(1)>"'&amp;%2e.fcgi`;
  const said = "<script>alert(2)</script><b onclick=alert(3)>";
  const bad = `#!/bin/sh\necho '${said}' >&2\nexit 3\n`;
  await using relayed = await startRelayedSite({
    lab: [name],
    files: { "bad.fcgi": bad },
    app: 'abort_timeout = "50ms"',
  });
  const { site } = relayed;
  const program = `${site.root}/${name}`;
  const uri = "/<script>alert(4)</script>\"'<img src=x onerror=alert(5)>";
  const params = { REQUEST_URI: uri, REQUEST_METHOD: "<b>GET" };
  using _atWork = await sendHanging(site.fpm, program, params);
  await site.ask("bad.fcgi");
  await using dashboard = await relayed.open();
  const card = dashboard.program(program);
  await waitUntil("its request is shown", async () =>
    (await dashboard.field("work", card)).includes(`<b>GET ${uri}`),
  );
  const failed = dashboard.program(`${site.root}/bad.fcgi`);
  expect(await dashboard.field("error-message", failed)).toContain(said);
  expect(await press(dashboard, `Restart ${program}`)).toStartWith(`Restart ${program}? `);
  expect(await confirm(dashboard)).toStartWith(`done: Restart: ${program}: new processes take`);
  const foreign = dashboard.page.locator("img, b[onclick], script:not([type=module])");
  expect([await foreign.count(), dashboard.problems]).toEqual([0, []]);
});
