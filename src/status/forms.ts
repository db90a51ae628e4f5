import { htmlPieces } from "./render-html.ts";
import { jsonPieces } from "./render-json.ts";
import { openMetricsPieces, prometheusPieces } from "./render-metrics.ts";
import { textPieces } from "./render-text.ts";
import type { Snapshot } from "./snapshot.ts";

/** One way to show a snapshot. */
export interface Form {
  /** The Content-Type. */
  readonly type: string;
  /** The text piece by piece, each of which takes a fraction of a millisecond, however much there is to tell; some are empty. */
  readonly pieces: (snapshot: Snapshot) => Iterable<string>;
}

export const PLAIN_TEXT = "text/plain; charset=utf-8";
/** Of everything that std-fpm says of itself: it is of this moment, and nothing else than its type says. */
export const PAGE_HEADERS = { "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff" } as const;

export type FormName = keyof typeof FORMS;

/** By the name that a query asks for. */
export const FORMS = {
  text: { type: PLAIN_TEXT, pieces: (snapshot) => textPieces(snapshot) },
  json: { type: "application/json", pieces: jsonPieces },
  html: { type: "text/html; charset=utf-8", pieces: htmlPieces },
  prometheus: { type: "text/plain; version=0.0.4; charset=utf-8", pieces: prometheusPieces },
  openmetrics: {
    type: "application/openmetrics-text; version=1.0.0; charset=utf-8",
    pieces: openMetricsPieces,
  },
} as const satisfies Readonly<Record<string, Form>>;

/** The form of the metrics for whoever sends this Accept header: what every scraper reads, or OpenMetrics where that is named. */
export function metricsForm(accept: string | null): FormName {
  return /\bapplication\/openmetrics-text\b/i.test(accept ?? "") ? "openmetrics" : "prometheus";
}
