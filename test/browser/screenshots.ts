// Writes the pictures of the dashboard that the documentation shows: a site with some traffic, watched for three minutes.
import { join } from "node:path";
import { launchBrowser, openDashboard } from "../support/dashboard.ts";
import { type Site, startSite } from "../support/site.ts";
import { startTcpRelay } from "../support/tcp-relay.ts";

const FOLDER = join(import.meta.dir, "../../docs/images");
const WATCHED_MS = 185_000;
const DESK = { width: 1024, height: 760 };
const PHONE = { width: 360, height: 740 };

await using site = await startSite({
  lab: ["shop.fcgi", "wiki/index.fcgi", "report.fcgi", "exit-at-boot.fcgi"],
  app: "max_processes = 4",
});
await using relay = await startTcpRelay(`${site.fpm.runtimeDir}/admin.sock`);
const end = performance.now() + WATCHED_MS + 10_000;
const traffic = [
  ...Array.from({ length: 6 }, () => visit(site, "shop.fcgi?op=sleep&ms=", 30)),
  ...Array.from({ length: 2 }, () => visit(site, "wiki/index.fcgi?op=sleep&ms=", 120)),
  site.ask(`report.fcgi?op=sleep&ms=${WATCHED_MS + 10_000}`),
];
await site.ask("exit-at-boot.fcgi");
const browser = await launchBrowser();
{
  await using dashboard = await openDashboard(browser, relay.port, { viewport: DESK, colorScheme: "light" });
  const { page } = dashboard;
  await page.waitForTimeout(WATCHED_MS);
  await page.screenshot({ path: join(FOLDER, "dashboard-light.png") });
  await page.emulateMedia({ colorScheme: "dark" });
  await page.screenshot({ path: join(FOLDER, "dashboard-dark.png") });
  await page.setViewportSize(PHONE);
  await page.screenshot({ path: join(FOLDER, "dashboard-phone.png") });
}
await browser.close();
await Promise.all(traffic);

/** Asks again and again, more and less often. */
async function visit({ ask }: Site, path: string, meanMs: number): Promise<void> {
  while (performance.now() < end) {
    await ask(`${path}${Math.round(meanMs * (0.5 + Math.random()))}`, { way: "kept" });
    await Bun.sleep(meanMs * (1 + Math.sin(performance.now() / 15_000)) * Math.random() * 4);
  }
}
