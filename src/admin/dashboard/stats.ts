import { requestsOf } from "../../status/activity.ts";
import type { Numbers } from "../../status/snapshot.ts";
import { formatBytes, formatSeconds } from "../../status/units.ts";
import { cloneTemplate, Fields, setAttribute, setText } from "./fields.ts";
import { type History, type Point, REMEMBERED } from "./history.ts";
import { formatRate } from "./numbers.ts";
import { highest, sparkPath } from "./sparkline.ts";

const STATES = ["starting", "idle", "busy", "on_its_own", "retiring", "stopping"] as const;
const QUANTILES = ["p50", "p90", "p99"] as const;
const LAST_MINUTES = "in the last three minutes";

/** What one program and all together have alike: processes, requests, times, CPU, memory. */
export class Stats {
  readonly element = cloneTemplate("stats-template");
  readonly #fields = new Fields(this.element);

  update(numbers: Numbers, history: History, memoryBytes: number | null): void {
    this.#showProcesses(numbers);
    this.#showRequests(numbers, history);
    this.#showLatency(numbers, history);
    const { points, last } = history;
    this.#fields.text("cpu", formatRate(last?.cores));
    this.#draw("cpu-spark", points, "Cores", (point) => point.cores, formatRate);
    this.#fields.text("memory", formatBytes(memoryBytes));
    this.#draw("memory-spark", points, "Memory", (point) => point.memoryBytes, formatBytes);
  }

  #showProcesses({ processes }: Numbers): void {
    for (const state of STATES) {
      this.#fields.text(state, String(processes[state]));
      this.#fields.element(`bar-${state}`).style.flexGrow = String(processes[state]);
    }
  }

  #showRequests(numbers: Numbers, { points, last }: History): void {
    const { in_flight, queue_length, queue_oldest_seconds, failures } = numbers;
    this.#fields.text("rate", formatRate(last?.requestsPerSecond));
    this.#draw("rate-spark", points, "Requests a second", (point) => point.requestsPerSecond, formatRate);
    this.#fields.text("in-flight", String(in_flight));
    this.#fields.text("queue", String(queue_length));
    this.#fields.text(
      "oldest",
      queue_length > 0 ? `the oldest for ${formatSeconds(queue_oldest_seconds)}` : "",
    );
    this.#fields.text("requests", String(requestsOf(numbers)));
    this.#fields.text("slow", String(numbers.slow));
    const codes = Object.entries(failures);
    const list = this.#fields.element("failures");
    list.hidden = codes.length === 0;
    this.#fields.element("failures-title").hidden = codes.length === 0;
    showItems(
      list,
      codes.map(([code, count]) => `${code} ${count}`),
    );
  }

  #showLatency({ latency }: Numbers, { points, recent }: History): void {
    for (const name of QUANTILES) {
      this.#fields.text(`recent-${name}`, formatSeconds(recent[`${name}Seconds`]));
      this.#fields.text(name, formatSeconds(latency[`${name}_seconds`]));
    }
    const top = highest(points.map(({ p99Seconds }) => p99Seconds));
    const svg = this.#fields.svg("latency-spark");
    for (const name of QUANTILES) {
      const path = svg.querySelector(`.${name}`);
      const values = points.map((point) => point[`${name}Seconds`]);
      if (path) setAttribute(path, "d", sparkPath(values, top, REMEMBERED));
    }
    setAttribute(svg, "aria-label", `Latency: a p99 of up to ${formatSeconds(top)} ${LAST_MINUTES}`);
  }

  #draw(
    field: string,
    points: readonly Point[],
    label: string,
    pick: (point: Point) => number | null,
    format: (value: number) => string,
  ): void {
    const values = points.map(pick);
    const top = highest(values);
    const svg = this.#fields.svg(field);
    if (svg.firstElementChild) setAttribute(svg.firstElementChild, "d", sparkPath(values, top, REMEMBERED));
    setAttribute(svg, "aria-label", `${label}: up to ${format(top)} ${LAST_MINUTES}`);
  }
}

/** A list of texts. */
function showItems(list: Element, texts: readonly string[]): void {
  while (list.children.length > texts.length) list.lastElementChild?.remove();
  while (list.children.length < texts.length) list.append(document.createElement("li"));
  for (const [index, text] of texts.entries()) setText(list.children[index] as Element, text);
}
