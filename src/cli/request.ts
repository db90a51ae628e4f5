import { defineCommand } from "citty";
import { FpmError } from "../base/errors.ts";
import { type FastCgiResponse, type RequestEnd, sendFastCgi } from "../client/fastcgi-client.ts";
import {
  FCGI_CANT_MPX_CONN,
  FCGI_OVERLOADED,
  FCGI_REQUEST_COMPLETE,
  FCGI_UNKNOWN_ROLE,
} from "../fcgi/protocol.ts";
import { UsageError } from "./arguments.ts";
import { type CommandData, EXIT_FAILED, EXIT_HTTP, EXIT_OK } from "./command.ts";
import { configuredAddress } from "./daemon-address.ts";
import { CONFIG_FLAG } from "./load-for-command.ts";
import { openBody } from "./request-body.ts";
import { requestParams } from "./request-params.ts";
import { socketAddress } from "./socket-flag.ts";
import type { Terminal } from "./terminal.ts";

const HIGHEST_GOOD_STATUS = 399;
const PROTOCOL_STATUS: ReadonlyMap<number, string> = new Map([
  [FCGI_REQUEST_COMPLETE, "FCGI_REQUEST_COMPLETE"],
  [FCGI_CANT_MPX_CONN, "FCGI_CANT_MPX_CONN"],
  [FCGI_OVERLOADED, "FCGI_OVERLOADED"],
  [FCGI_UNKNOWN_ROLE, "FCGI_UNKNOWN_ROLE"],
]);

/** `std-fpm request`: one FastCGI request, without a web server between. */
export const requestCommand = defineCommand({
  meta: {
    name: "request",
    description: "Send one FastCGI request; prints headers and body, on stderr the rest",
  },
  args: {
    script: {
      type: "positional",
      required: true,
      description: "The program (SCRIPT_FILENAME); what follows its name is PATH_INFO",
    },
    query: { type: "string", valueHint: "Q", description: "Query string, without the ?" },
    method: { type: "string", valueHint: "M", description: "Method; GET, or POST with a body" },
    body: {
      type: "string",
      valueHint: "FILE",
      description: "File, pipe or device to send as the body; - is standard input",
    },
    param: { type: "string", valueHint: "K=V", description: "One more parameter; may be repeated, and wins" },
    socket: {
      type: "string",
      valueHint: "S",
      description: "Address of the daemon instead of the configured one",
    },
    fail: { type: "boolean", description: "End with status 22 where the answer's status is above 399" },
    config: CONFIG_FLAG,
  },
  async run({ args, data }) {
    const { terminal, values } = data as CommandData;
    const body = args.body === undefined ? undefined : await openBody(args.body);
    try {
      const params = requestParams({
        script: args.script,
        query: args.query ?? "",
        method: args.method ?? (body === undefined ? "GET" : "POST"),
        length: body?.length,
        extra: values.get("param") ?? [],
      });
      const address = await addressOf(args, terminal);
      const response = await sendFastCgi(address, { params, body: body?.content ?? null });
      const status = await printAnswer(response, terminal);
      const isError = (response.head?.status ?? 0) > HIGHEST_GOOD_STATUS;
      return args.fail && isError ? EXIT_HTTP : status;
    } finally {
      await body?.close();
    }
  },
});

async function addressOf(
  { socket, config }: { socket?: string | undefined; config?: string | undefined },
  terminal: Terminal,
) {
  if (socket !== undefined) return socketAddress("request", socket);
  const address = await configuredAddress("listen", config, terminal.err);
  if (address === undefined)
    throw new UsageError("request: the configuration names no address: give --socket");
  return address;
}

async function printAnswer(response: FastCgiResponse, terminal: Terminal): Promise<number> {
  const { head } = response;
  if (head === undefined) terminal.err(`(no CGI headers: ${response.headProblem})\n`);
  else {
    const status = `Status: ${head.status} ${head.statusText}`.trimEnd();
    const lines = [status, ...head.headers.map(([name, value]) => `${name}: ${value}`), "", ""];
    await terminal.out(Buffer.from(lines.join("\r\n"), "latin1"));
  }
  const end = await copyBody(response, terminal);
  terminal.err(response.stderr().replace(/[^\n]$/, "$&\n"));
  terminal.err(`${describeEnd(end)}\n`);
  return end.kind === "complete" && end.protocolStatus === FCGI_REQUEST_COMPLETE && end.appStatus === 0
    ? EXIT_OK
    : EXIT_FAILED;
}

async function copyBody(response: FastCgiResponse, terminal: Terminal): Promise<RequestEnd> {
  try {
    for await (const chunk of response.body) await terminal.out(chunk);
  } catch (thrown) {
    // `end` tells of the truncated answer; anything else is about our own output, for example that its reader left.
    if (!(thrown instanceof FpmError))
      return { kind: "truncated", reason: "the answer could not be printed" };
  }
  return await response.end;
}

function describeEnd(end: RequestEnd): string {
  if (end.kind === "truncated") return `truncated: ${end.reason}`;
  const protocol = PROTOCOL_STATUS.get(end.protocolStatus) ?? `protocol status ${end.protocolStatus}`;
  return `${protocol}, application status ${end.appStatus}`;
}
