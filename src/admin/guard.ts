/** A request to the admin server, as far as it matters for whether it may be answered. */
export interface Visit {
  readonly method: string;
  readonly host: string | null;
  readonly origin: string | null;
  /** Sec-Fetch-Site, which browsers send. */
  readonly site: string | null;
}

/** Why a visit is refused. */
export interface Refusal {
  readonly status: number;
  readonly why: string;
}

const LOCAL_HOST = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::(\d{1,5}))?$/i;
const MAX_PORT = 65_535;
/** Why nobody may act, by the kind of the address. */
const MAY_LOOK = {
  tcp: "Over TCP one may look, and not act: use the Unix socket.",
  unix: "On this socket one may look, and not act: use the first one of `[admin] listen`.",
} as const;
const READING = ["GET", "HEAD"];

/**
 * Whether a visit may be answered; undefined: it may. Another name than this machine's own in Host is a page of a stranger whose
 * name was made to point here; an action must come from our own page, or from something that is no browser.
 */
export function refusalOf(
  { method, host, origin, site }: Visit,
  mayAct: boolean,
  where: keyof typeof MAY_LOOK = "tcp",
): Refusal | undefined {
  if (host === null || !isLocal(host))
    return { status: 421, why: `Host must be localhost, 127.0.0.1 or [::1], with or without a port.` };
  if (READING.includes(method)) return undefined;
  if (method !== "POST") return { status: 405, why: "Only GET, HEAD and POST are known." };
  if (!mayAct) return { status: 403, why: MAY_LOOK[where] };
  const isOurs = origin === null || origin.toLowerCase() === `http://${host.toLowerCase()}`;
  const isSameSite = site === null || site === "same-origin" || site === "none";
  return isOurs && isSameSite ? undefined : { status: 403, why: "Another site's page may not act here." };
}

/** With a port above the highest there is no URL. */
function isLocal(host: string): boolean {
  const [whole, port = "0"] = LOCAL_HOST.exec(host) ?? [];
  return whole !== undefined && Number(port) <= MAX_PORT;
}
