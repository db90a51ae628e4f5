import type { FoundProgram } from "./program-list.ts";

/** Why a request failed, for a person. */
export interface Failure {
  readonly status: number;
  readonly reason: string;
  /** The program's last lines on stderr, oldest first. */
  readonly stderr: readonly string[];
}

const STYLE =
  "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}" +
  "h1{font-size:1.4rem}pre{background:#f4f4f4;padding:1rem;overflow:auto}small,.note{color:#666}code{background:#f4f4f4}";
const HEADERS = {
  "Content-Type": "text/html; charset=utf-8",
  "Cache-Control": "no-store",
  "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
};

/** The page that shows what can be run below a folder. `isCut` when there is more than the list holds. */
export function listPage(folder: string, programs: readonly FoundProgram[], isCut: boolean): Response {
  const items = programs.map(({ url, isExecutable }) => {
    const note = isExecutable ? "" : ' <span class="note">(not executable: chmod +x)</span>';
    return `<li><a href="${escapeHtml(url)}">${escapeHtml(decodeURI(url))}</a>${note}</li>`;
  });
  const list =
    items.length > 0
      ? `<ul>${items.join("")}</ul>`
      : "<p>There is no program here yet: an executable file whose name ends in <code>.fcgi</code>.</p>";
  const more = isCut ? "<p><small>There are more than this list shows.</small></p>" : "";
  return page(200, `Programs in ${folder}`, list + more);
}

/** The page that shows a failure. */
export function failurePage({ status, reason, stderr }: Failure): Response {
  const lines =
    stderr.length > 0
      ? `<h2>Its last lines on stderr</h2><pre>${stderr.map(escapeHtml).join("\n")}</pre>`
      : "<p><small>The program wrote nothing to stderr.</small></p>";
  return page(status, `${status} ${titleOf(status)}`, `<p>${escapeHtml(reason)}</p>${lines}`);
}

/** A page for what has nothing to do with a program: a missing file, a wrong method. */
export function notePage(status: number, text: string): Response {
  return page(status, `${status} ${titleOf(status)}`, `<p>${escapeHtml(text)}</p>`);
}

/** Text that HTML shows as it is, in elements and in quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

function titleOf(status: number): string {
  const titles: Readonly<Record<number, string>> = {
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    502: "The program failed",
    503: "Not available",
    504: "No answer in time",
  };
  return titles[status] ?? "Failed";
}

function page(status: number, title: string, body: string): Response {
  const text = escapeHtml(title);
  const html = `<!doctype html><html lang="en"><meta charset="utf-8"><title>${text}</title><style>${STYLE}</style><h1>${text}</h1>${body}<p><small>std-fpm dev</small></p></html>\n`;
  return new Response(html, { status, headers: HEADERS });
}
