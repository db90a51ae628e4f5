import { renderHtml } from "./render-html.ts";
import { renderOpenMetrics, renderPrometheus } from "./render-metrics.ts";
import { renderText } from "./render-text.ts";
import type { Snapshot } from "./snapshot.ts";

/** One way to show a snapshot. */
export interface Form {
  /** The Content-Type. */
  readonly type: string;
  readonly render: (snapshot: Snapshot) => string;
}

export const PLAIN_TEXT = "text/plain; charset=utf-8";
/** Of everything that std-fpm says of itself: it is of this moment, and nothing else than its type says. */
export const PAGE_HEADERS = { "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff" } as const;

/** By the name that a query asks for. */
export const FORMS = {
  text: { type: PLAIN_TEXT, render: renderText },
  json: { type: "application/json", render: (snapshot) => JSON.stringify(snapshot) },
  html: { type: "text/html; charset=utf-8", render: renderHtml },
  prometheus: { type: "text/plain; version=0.0.4; charset=utf-8", render: renderPrometheus },
  openmetrics: {
    type: "application/openmetrics-text; version=1.0.0; charset=utf-8",
    render: renderOpenMetrics,
  },
} as const satisfies Readonly<Record<string, Form>>;

/** The form of the metrics for whoever sends this Accept header: what every scraper reads, or OpenMetrics where that is named. */
export function metricsForm(accept: string | null): Form {
  return /\bapplication\/openmetrics-text\b/i.test(accept ?? "") ? FORMS.openmetrics : FORMS.prometheus;
}
