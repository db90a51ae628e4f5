// Writes the pictures of the dashboard that the documentation shows: sixty programs, three of them in trouble, watched for a while.
import { join } from "node:path";
import { launchBrowser, openDashboard } from "../support/dashboard.ts";
import { type Site, startSite } from "../support/site.ts";
import { startTcpRelay } from "../support/tcp-relay.ts";

const FOLDER = process.env["FOLDER"] ?? join(import.meta.dir, "../../docs/images");
const WATCHED_MS = Number(process.env["SECONDS"] ?? 185) * 1000;
const SIZES = {
  desk: { width: 1280, height: 900 },
  tablet: { width: 768, height: 1024 },
  phone: { width: 360, height: 740 },
} as const;
const NAMES = ["blog", "shop", "wiki", "forum", "search", "report"];
/** How long its requests take. */
const healthy = Array.from(
  { length: 57 },
  (_, index) => `${NAMES[index % 6]}-${Math.floor(index / 6) + 1}.fcgi`,
);
const CHECKOUT = { processes: 3, requests: 21 };

await using site = await startSite({
  lab: [...healthy, "checkout.fcgi", "mail.fcgi"],
  files: { "import.fcgi": "#!/bin/sh\necho 'cannot read /srv/import/settings.ini' >&2\nexit 3\n" },
  apps: `[[apps]]\nmatch = "**/checkout.fcgi"\nmax_processes = ${CHECKOUT.processes}\nabort_timeout = "1s"\n`,
});
await using relay = await startTcpRelay(`${site.fpm.runtimeDir}/admin.sock`);
const end = performance.now() + WATCHED_MS + 10_000;
const traffic = [
  ...healthy.map((name, index) =>
    visit(site, name, `op=sleep&ms=${5 + 7 * (index % 9)}`, 600 + 150 * (index % 7)),
  ),
  visit(site, "mail.fcgi", "op=status&code=500", 400),
  visit(site, "import.fcgi", "", 900),
];
const browser = await launchBrowser();
{
  await using dashboard = await openDashboard(browser, relay.port, {
    viewport: SIZES.desk,
    colorScheme: "light",
  });
  const { page } = dashboard;
  await page.waitForTimeout(Math.max(0, WATCHED_MS - 21_000));
  for (let i = 0; i < CHECKOUT.requests; i++)
    traffic.push(
      site.ask("checkout.fcgi?op=sleep&ms=60000").then(
        () => {},
        () => {},
      ),
    );
  await page.waitForTimeout(21_000);
  await page.screenshot({ path: join(FOLDER, "dashboard-light.png") });
  await page.emulateMedia({ colorScheme: "dark" });
  await page.screenshot({ path: join(FOLDER, "dashboard-dark.png") });
  await page.setViewportSize(SIZES.tablet);
  await page.screenshot({ path: join(FOLDER, "dashboard-tablet.png") });
  await page.setViewportSize(SIZES.phone);
  await page.screenshot({ path: join(FOLDER, "dashboard-phone.png") });
}
await browser.close();
await site.nginx.stop();
await Promise.allSettled(traffic);

/** Asks again and again. */
async function visit({ ask }: Site, path: string, query: string, everyMs: number): Promise<void> {
  while (performance.now() < end) {
    await ask(`${path}?${query}`, { way: "kept" }).catch(() => {});
    await Bun.sleep(everyMs * (0.5 + Math.random()));
  }
}
