import { METRICS, type Metric, type Sample } from "./metrics.ts";
import type { Snapshot } from "./snapshot.ts";

/** The snapshot in the OpenMetrics text format, version 1.0. */
export function renderOpenMetrics(snapshot: Snapshot): string {
  const lines: string[] = [];
  for (const { name, type, help, samples } of METRICS) {
    lines.push(`# TYPE ${name} ${type}`);
    const unit = /_(seconds|bytes)$/.exec(name)?.[1];
    if (unit) lines.push(`# UNIT ${name} ${unit}`);
    lines.push(`# HELP ${name} ${escapeText(help)}`);
    for (const sample of samples(snapshot)) lines.push(lineOf(name, sample));
  }
  return `${lines.join("\n")}\n# EOF\n`;
}

/** The same in the text format of Prometheus, version 0.0.4, which has fewer types, and all of a counter's name in its type. */
export function renderPrometheus(snapshot: Snapshot): string {
  const lines: string[] = [];
  for (const metric of METRICS) {
    const name = plainNameOf(metric);
    lines.push(
      `# HELP ${name} ${metric.help.replaceAll("\\", "\\\\")}`,
      `# TYPE ${name} ${plainTypeOf(metric)}`,
    );
    for (const sample of metric.samples(snapshot)) lines.push(lineOf(metric.name, sample));
  }
  return `${lines.join("\n")}\n`;
}

function plainNameOf({ name, type }: Metric): string {
  return type === "counter" ? `${name}_total` : type === "info" ? `${name}_info` : name;
}

function plainTypeOf({ type }: Metric): string {
  return type === "info" || type === "stateset" ? "gauge" : type;
}

function lineOf(name: string, sample: Sample): string {
  return `${name}${sample.suffix ?? ""}${labelsOf(sample)} ${sample.value}`;
}

function labelsOf({ labels }: Sample): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeText(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escapeText(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
