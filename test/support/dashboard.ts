import { type Browser, type BrowserContextOptions, chromium, type Locator, type Page } from "playwright-core";

/** How long something on the page may take: it changes once a second. */
const PATIENCE_MS = 10_000;

/** A dashboard in a browser. */
export interface Dashboard extends AsyncDisposable {
  readonly page: Page;
  /** What a browser complains of, what a script that is not ours would do, and requests to anybody but the daemon. */
  readonly problems: readonly string[];
  /** The actions that were sent. */
  readonly posts: readonly string[];
  /** A program's card. */
  program(name: string): Locator;
  /** The text of a field of a part of the page. */
  field(name: string, of?: Locator): Promise<string>;
}

/** Debian's browser, without a window. */
export async function launchBrowser(): Promise<Browser> {
  // Its sandbox refuses to run as root.
  return await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
}

/** Opens the dashboard at this port and waits until it shows something. */
export async function openDashboard(
  browser: Browser,
  port: number,
  options: BrowserContextOptions = {},
): Promise<Dashboard> {
  const origin = `http://127.0.0.1:${port}`;
  const context = await browser.newContext(options);
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const problems: string[] = [];
  const posts: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("dialog", (dialog) => {
    problems.push(`it says ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(`${origin}/`) && url !== "data:,") problems.push(`it asked for ${url}`);
    if (request.method() === "POST") posts.push(url.slice(origin.length));
  });
  await page.goto(origin);
  await page.getByText("live", { exact: true }).waitFor();
  return {
    page,
    problems,
    posts,
    program: (name) => page.locator("article", { has: page.getByRole("heading", { name, exact: true }) }),
    field: async (name, of = page.locator("body")) =>
      (await of.locator(`[data-field="${name}"]`).first().textContent()) ?? "",
    [Symbol.asyncDispose]: () => context.close(),
  };
}
