import { escapeText, labelOf, METRICS, type Metric, type Sample } from "./metrics.ts";
import type { Snapshot } from "./snapshot.ts";

/** A piece has so many characters, or a few more: it takes a fraction of a millisecond to make. */
const PIECE_LENGTH = 16 * 1024;

/** The snapshot in the OpenMetrics text format, version 1.0, in pieces. */
export function* openMetricsPieces(snapshot: Snapshot): Generator<string> {
  yield* metricsPieces(snapshot, ({ name, type, help }) => {
    const unit = /_(seconds|bytes)$/.exec(name)?.[1];
    const unitLine = unit ? `# UNIT ${name} ${unit}\n` : "";
    return `# TYPE ${name} ${type}\n${unitLine}# HELP ${name} ${escapeText(help)}\n`;
  });
  yield "# EOF\n";
}

/** The same in the text format of Prometheus, version 0.0.4, which has fewer types, and all of a counter's name in its type. */
export function prometheusPieces(snapshot: Snapshot): Generator<string> {
  return metricsPieces(snapshot, (metric) => {
    const name = plainNameOf(metric);
    return `# HELP ${name} ${metric.help.replaceAll("\\", "\\\\")}\n# TYPE ${name} ${plainTypeOf(metric)}\n`;
  });
}

function plainNameOf({ name, type }: Metric): string {
  return type === "counter" ? `${name}_total` : type === "info" ? `${name}_info` : name;
}

function plainTypeOf({ type }: Metric): string {
  return type === "info" || type === "stateset" ? "gauge" : type;
}

/** `headOf`: what stands before a metric's samples. */
function* metricsPieces(snapshot: Snapshot, headOf: (metric: Metric) => string): Generator<string> {
  const programs = snapshot.programs.map((program) => ({ program, label: labelOf("program", program.name) }));
  let text = "";
  for (const metric of METRICS) {
    text += headOf(metric);
    for (const { program, label } of programs) {
      for (const sample of metric.of(program))
        text += lineOf(metric.name, sample, sample.labels === "" ? label : `${label},${sample.labels}`);
      if (text.length < PIECE_LENGTH) continue;
      yield text;
      text = "";
    }
    for (const sample of metric.own(snapshot)) text += lineOf(metric.name, sample, sample.labels);
  }
  yield text;
}

function lineOf(name: string, { suffix, value }: Sample, labels: string): string {
  return labels === "" ? `${name}${suffix} ${value}\n` : `${name}${suffix}{${labels}} ${value}\n`;
}
