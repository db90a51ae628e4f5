import { contentPolicy } from "../base/content-policy.ts";
import { dashboardParts } from "./dashboard-parts.ts" with { type: "macro" };

/** A page and the headers that it needs. */
export interface DashboardPage {
  readonly html: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** The dashboard as one page that loads nothing; `mayAct`: with buttons for the actions. */
export function dashboardPage(mayAct: boolean): DashboardPage {
  const { page, style, script } = dashboardParts();
  const html = page
    // Functions: in a text $ has a meaning.
    .replace('data-actions="no"', () => `data-actions="${mayAct ? "yes" : "no"}"`)
    .replace("<style></style>", () => `<style>${style}</style>`)
    .replace('<script type="module"></script>', () => `<script type="module">${script}</script>`);
  const policy = contentPolicy([style], [script], { "connect-src": "'self'", "img-src": "data:" });
  return {
    html,
    headers: {
      "Content-Type": "text/html; charset=utf-8",
      "Content-Security-Policy": policy,
      "Referrer-Policy": "no-referrer",
    },
  };
}
