import type { RequestHead } from "../fcgi/head.ts";
import { FCGI_RESPONDER } from "../fcgi/protocol.ts";
import { FORMS, type FormName, PAGE_HEADERS, PLAIN_TEXT } from "./forms.ts";

/** What std-fpm answers by itself instead of a program. */
export interface OwnPage {
  /** Such as "200 OK". */
  readonly status: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The text, or which form of the status it is. */
  readonly body: string | AskedStatus;
}

/** What is wanted of the status; with `isFull` every process is listed. */
export interface AskedStatus {
  readonly form: FormName;
  readonly isFull: boolean;
}

/** Which requests are answered, and with what. */
export interface OwnPages {
  /** A SCRIPT_NAME; "" for none. */
  readonly statusPath: string;
  readonly pingPath: string;
  /** The Content-Security-Policy of the page in HTML. */
  readonly htmlPolicy: string;
}

/** What a query may ask for instead of text. */
const OTHERS = ["json", "html", "prometheus", "openmetrics"] as const;
type Other = (typeof OTHERS)[number];

/**
 * The page that a request is for; undefined: it is for a program. SCRIPT_NAME alone decides, and only of a Responder: an
 * authorizer that is answered 200 has let somebody in.
 */
export function ownPageFor(head: RequestHead, pages: OwnPages): OwnPage | undefined {
  const name = head.value("SCRIPT_NAME");
  const isOurs = name === pages.pingPath || name === pages.statusPath;
  if (!name || !isOurs || head.role !== FCGI_RESPONDER) return undefined;
  if (head.method !== "GET" && head.method !== "HEAD")
    return pageOf("405 Method Not Allowed", PLAIN_TEXT, "Only GET and HEAD are known here.\n", {
      Allow: "GET, HEAD",
    });
  // php-fpm ends it without a newline, too: monitors compare the whole text.
  const page = name === pages.pingPath ? pageOf("200 OK", PLAIN_TEXT, "pong") : statusPage(head, pages);
  return head.method === "HEAD" ? { ...page, body: "" } : page;
}

/** The page as the header of a CGI response (RFC 3875 §6). */
export function headerOf({ status, headers }: OwnPage): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `Status: ${status}\r\n${lines.join("")}\r\n`;
}

function statusPage(head: RequestHead, { htmlPolicy }: OwnPages): OwnPage {
  const query = new URLSearchParams(head.parameter("QUERY_STRING"));
  const asked = [...query.keys()].find((name): name is Other => OTHERS.includes(name as Other));
  const form = asked ?? "text";
  const policy = asked === "html" ? { "Content-Security-Policy": htmlPolicy } : {};
  return pageOf("200 OK", FORMS[form].type, { form, isFull: query.has("full") }, policy);
}

function pageOf(
  status: string,
  type: string,
  body: OwnPage["body"],
  more: Record<string, string> = {},
): OwnPage {
  return { status, headers: { "Content-Type": type, ...PAGE_HEADERS, ...more }, body };
}
