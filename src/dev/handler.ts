import { FpmError, messageOf } from "../base/errors.ts";
import { type FastCgiAddress, type FastCgiResponse, sendFastCgi } from "../client/fastcgi-client.ts";
import type { FailureLog } from "./failure-log.ts";
import { httpHeaders, httpParams } from "./http-params.ts";
import { failurePage, listPage, notePage } from "./pages.ts";
import { listPrograms } from "./program-list.ts";
import { resolveTarget, type Site, type Target } from "./site.ts";

export interface HandlerDeps {
  readonly site: Site;
  /** Where the daemon listens. */
  readonly address: FastCgiAddress;
  readonly failures: Pick<FailureLog, "takeFailure" | "stderrOf">;
}

/** Who asks. */
export interface Peer {
  readonly address: string;
  readonly port: number;
  /** The port that was asked. */
  readonly serverPort: number;
}

type ProgramTarget = Extract<Target, { kind: "program" }>;

const NOT_FOUND = "There is nothing to show here.";
/** Names under which a browser on this machine reaches us; another one is a page elsewhere that rebinds its name. */
const OWN_NAMES = /^(?:localhost|.+\.localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])$/;
const NO_BODY: readonly number[] = [204, 205, 304];

/** Answers the browser's requests: programs through the daemon, folders as lists of programs, other files as they are. */
export function createHandler(deps: HandlerDeps): (request: Request, peer: Peer) => Promise<Response> {
  return async (request, peer) => {
    const url = URL.parse(request.url);
    if (!url) return notePage(400, "The Host of this request makes no sense.");
    if (!OWN_NAMES.test(url.hostname))
      return notePage(403, "Open this page as http://localhost: other names are refused.");
    const target = await resolveTarget(deps.site, url.pathname);
    if (target.kind === "program") return await runProgram(request, peer, target, deps);
    if (target.kind === "malformed") return notePage(400, "This path makes no sense.");
    if (target.kind === "none") return notePage(404, NOT_FOUND);
    if (request.method !== "GET" && request.method !== "HEAD") return methodRefused();
    if (target.kind === "file") return new Response(Bun.file(target.path));
    return await showFolder(url, target.path, deps.site);
  };
}

function methodRefused(): Response {
  const refused = notePage(405, "Files and folders can only be read; programs take all methods.");
  refused.headers.set("Allow", "GET, HEAD");
  return refused;
}

async function showFolder(url: URL, folder: string, site: Site): Promise<Response> {
  if (!url.pathname.endsWith("/")) {
    // One slash in front: two would begin the name of another server.
    const path = url.pathname.replace(/^\/+/, "/");
    return new Response(null, { status: 301, headers: { Location: `${path}/${url.search}` } });
  }
  const { programs, isCut } = await listPrograms(site.root, folder, site.isProgram);
  return listPage(folder, programs, isCut);
}

async function runProgram(
  request: Request,
  peer: Peer,
  { script, scriptName, pathInfo }: ProgramTarget,
  deps: HandlerDeps,
): Promise<Response> {
  const params = httpParams(request, {
    script,
    scriptName,
    pathInfo,
    root: deps.site.root,
    port: peer.serverPort,
    remoteAddress: peer.address,
    remotePort: peer.port,
  });
  try {
    const response = await sendFastCgi(deps.address, { params, body: request.body, signal: request.signal });
    return await answerOf(request, response, script, deps);
  } catch (thrown) {
    if (!(thrown instanceof FpmError)) throw thrown;
    return failurePage({ status: 502, reason: thrown.message, stderr: deps.failures.stderrOf(script) });
  }
}

async function answerOf(
  request: Request,
  response: FastCgiResponse,
  script: string,
  { failures }: HandlerDeps,
): Promise<Response> {
  const { head } = response;
  const uri = new URL(request.url).pathname;
  const logged = failures.takeFailure(uri);
  if (head === undefined || logged !== undefined || head.status < 200) {
    const end = head === undefined ? await response.end : undefined;
    await response.body.cancel().catch(() => {});
    const ended =
      end?.kind === "truncated" ? end.reason : `the program's answer is wrong: ${response.headProblem}`;
    const reason =
      logged?.reason ?? (head === undefined ? ended : `the program answered with status ${head.status}`);
    const own = response
      .stderr()
      .split("\n")
      .filter((line) => line !== "");
    const status = logged !== undefined && head !== undefined && head.status >= 400 ? head.status : 502;
    return failurePage({ status, reason, stderr: [...failures.stderrOf(logged?.program || script), ...own] });
  }
  // What breaks off from here on is no failure of a later request for the same path.
  void response.end.then((end) => (end.kind === "truncated" ? failures.takeFailure(uri) : undefined));
  const withoutBody = NO_BODY.includes(head.status);
  if (withoutBody) void response.body.cancel().catch(() => {});
  const body = withoutBody ? null : quietly(response.body);
  try {
    return new Response(body, { status: head.status, headers: httpHeaders(head.headers) });
  } catch (thrown) {
    // A status beyond 599, or a header that HTTP does not know.
    const reason = `the program's answer is wrong: ${messageOf(thrown)}`;
    return failurePage({ status: 502, reason, stderr: failures.stderrOf(script) });
  }
}

/** The same stream, but its error is nothing: Bun aborts the transfer either way, and would print an Error with its source. */
function quietly(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (done) controller.close();
          else controller.enqueue(value);
        } catch {
          controller.error(undefined);
        }
      },
      cancel: () => reader.cancel(),
    },
    { highWaterMark: 0 },
  );
}
