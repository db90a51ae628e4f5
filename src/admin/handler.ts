import type { ListenAddress } from "../config/config.ts";
import { FORMS, type FormName, metricsForm, PAGE_HEADERS, PLAIN_TEXT } from "../status/forms.ts";
import { bodyOf } from "./answer-body.ts";
import type { ActionResult, Control } from "./control.ts";
import { dashboardPage } from "./dashboard-page.ts";
import type { EndWait } from "./end-wait.ts";
import type { EventStream } from "./event-stream.ts";
import { refusalOf } from "./guard.ts";

type Answer = Response | Promise<Response>;
type Page = (url: URL, request: Request) => Answer;
type Action = (argument: string) => Promise<ActionResult>;

/** Of an answer that has no end. */
export const EVENTS_TYPE = "text/event-stream";

const PID = /^[1-9]\d{0,6}$/;

/** Answers the requests to the admin server; `mayAct`: not only reading ones. */
export function createHandler(
  control: Control,
  events: EventStream,
  ends: EndWait,
  mayAct: boolean,
  kind: ListenAddress["kind"],
): (request: Request) => Promise<Response> {
  const pages = pagesOf(control, events, ends, mayAct);
  const actions = actionsOf(control);
  return async (request) => {
    const { method, headers } = request;
    const [host, origin, site] = [headers.get("Host"), headers.get("Origin"), headers.get("Sec-Fetch-Site")];
    const refusal = refusalOf({ method, host, origin, site }, mayAct, kind);
    if (refusal) return text(`${refusal.why}\n`, refusal.status);
    const url = new URL(request.url);
    const page = pages[url.pathname];
    const action = actions[url.pathname];
    if (method === "POST" && action) return actionAnswer(await action(url.searchParams.get("of") ?? ""));
    if (method !== "POST" && page) return await page(url, request);
    const known = page ?? action;
    if (known)
      return text(`${url.pathname} takes ${page ? "GET" : "POST"}.\n`, 405, {
        Allow: page ? "GET, HEAD" : "POST",
      });
    const all = [...Object.keys(pages), ...Object.keys(actions).map((path) => `POST ${path}`)];
    return text(`There is no ${url.pathname} here, but:\n${all.join("\n")}\n`, 404);
  };
}

function pagesOf(
  control: Control,
  events: EventStream,
  ends: EndWait,
  mayAct: boolean,
): Readonly<Record<string, Page>> {
  const dashboard = dashboardPage(mayAct);
  const isFull = (url: URL) => url.searchParams.has("full");
  const shown = async (form: FormName, isFull: boolean) =>
    typed(bodyOf(await control.status(form, isFull)), FORMS[form].type);
  return {
    "/": () => new Response(dashboard.html, { headers: { ...PAGE_HEADERS, ...dashboard.headers } }),
    "/status": (url, { headers }) => shown(prefersJson(headers.get("Accept")) ? "json" : "text", isFull(url)),
    "/status.json": (url) => shown("json", isFull(url)),
    "/metrics": (_, { headers }) => shown(metricsForm(headers.get("Accept")), false),
    "/healthz": () => text("ok\n"),
    "/readyz": () => {
      const { unreadiness } = control;
      return unreadiness === undefined ? text("ready\n") : text(`${unreadiness}\n`, 503);
    },
    // Answered by the end of the connection: whoever waits hears of it from the kernel, wherever it is.
    "/ended": (_, request) => ends.wait(request) ?? text("Too many wait for the end already.\n", 503),
    "/events": () => {
      const stream = events.open();
      return stream ? typed(stream, EVENTS_TYPE) : text("Too many pages listen already.\n", 503);
    },
  };
}

function actionsOf(control: Control): Readonly<Record<string, Action>> {
  return {
    "/reload": () => control.reload(),
    "/stop": () => control.stop(),
    "/upgrade": () => control.upgrade(),
    "/reopen-logs": () => control.reopenLogs(),
    "/restart": (program) => control.restart(program),
    "/drain": (program) => control.drain(program),
    "/kill": async (pid) =>
      PID.test(pid)
        ? await control.kill(Number(pid))
        : { isDone: false, message: `${JSON.stringify(pid)} is no process id` },
  };
}

/** 409: nothing is wrong with the request, but it was not done. */
function actionAnswer(result: ActionResult): Response {
  return Response.json(result, { status: result.isDone ? 200 : 409, headers: PAGE_HEADERS });
}

/** Whether JSON is named before text in an Accept header. */
function prefersJson(accept: string | null): boolean {
  const types = (accept ?? "").split(",").map((type) => type.trim().replace(/;.*$/s, ""));
  return types.find((type) => /^(?:text\/|application\/json$)/.test(type)) === "application/json";
}

function text(content: string, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(content, {
    status,
    headers: { ...PAGE_HEADERS, "Content-Type": PLAIN_TEXT, ...headers },
  });
}

function typed(content: Uint8Array | ReadableStream<Uint8Array>, type: string): Response {
  return new Response(content, { headers: { ...PAGE_HEADERS, "Content-Type": type } });
}
