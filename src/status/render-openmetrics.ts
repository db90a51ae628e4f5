import { METRICS, type Sample } from "./metrics.ts";
import type { Snapshot } from "./snapshot.ts";

/** The snapshot in the OpenMetrics text format, version 1.0. */
export function renderOpenMetrics(snapshot: Snapshot): string {
  const lines: string[] = [];
  for (const { name, type, help, samples } of METRICS) {
    lines.push(`# TYPE ${name} ${type}`);
    const unit = /_(seconds|bytes)$/.exec(name)?.[1];
    if (unit) lines.push(`# UNIT ${name} ${unit}`);
    lines.push(`# HELP ${name} ${escapeLabel(help)}`);
    for (const sample of samples(snapshot))
      lines.push(`${name}${sample.suffix ?? ""}${labelsOf(sample)} ${sample.value}`);
  }
  return `${lines.join("\n")}\n# EOF\n`;
}

function labelsOf({ labels }: Sample): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escapeLabel(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
