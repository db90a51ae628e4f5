import type { TSchema } from "@sinclair/typebox";
import { METRICS } from "../src/status/metrics.ts";
import { snapshotSchema } from "../src/status/snapshot.ts";

const INTRO = `# Status and control

A running std-fpm answers on the socket that \`[admin] listen\` names: \`admin.sock\` in its runtime folder unless told otherwise. Only its own user and
root may open it. The commands use it, and so can anything that speaks HTTP:

\`\`\`sh
std-fpm status                  # a table; --full with every process, --json for programs, --watch for a live view
curl --unix-socket /run/std-fpm/admin.sock http://localhost/status
ssh -L 9001:/run/std-fpm/admin.sock web1    # then http://localhost:9001/ is the dashboard of web1
\`\`\`

| path | what |
| --- | --- |
| \`/\` | The dashboard: one page, live. |
| \`/status\` | Text for people; JSON where \`Accept\` asks for it; \`?full\` lists processes and the requests they are at work on. |
| \`/status.json\` | The same as JSON. |
| \`/metrics\` | Numbers in the text format of Prometheus; in that of OpenMetrics where \`Accept\` names it. |
| \`/ended\` | Answers by the end of the connection when the process has ended: what \`std-fpm stop\` waits for. |
| \`/healthz\` | 200 while std-fpm is there at all. |
| \`/readyz\` | 200 while it takes requests; 503 while it stops, or after another one has taken over. |
| \`/events\` | The JSON of \`/status.json?full\` each second, as server-sent events. |
| POST \`/reload\`, \`/upgrade\`, \`/reopen-logs\`, \`/stop\` | As SIGHUP, SIGUSR2, SIGUSR1, SIGTERM. |
| POST \`/restart?of=PROGRAM\` | New processes take the place of the program's, without a lost request. |
| POST \`/drain?of=PROGRAM\` | Its processes end when they are free. |
| POST \`/kill?of=PID\` | SIGKILL for one process of a program, or for a child of it (\`children\`), in whose place it puts another. |

With hundreds of programs an answer is put together bit by bit, and requests pass in between: each program is shown as it was at one moment, all of them within a few hundred milliseconds, and \`total\` is their sum.

An action answers with JSON: \`isDone\`, and a \`message\` that says what happened or why it did not (status 409). \`Host\` must be localhost,
127.0.0.1 or [::1], and a browser must have come from the dashboard itself. On a TCP address, which must be local, one may look and not act, and so on
every Unix socket of \`[admin] listen\` but the first one: \`listen = ["admin.sock", "status.sock"]\` with \`listen_group = "prometheus"\` lets that group read numbers, and nothing else.

A connection is for one answer and is closed after it, and when nobody takes anything of that answer for ten seconds, or has not asked by then; \`/events\` and \`/ended\` stay. 128 are answered at once.

## The dashboard

\`/\` of the admin server shows all of this as it changes, once a second, trouble first: at the top how many programs are in trouble, which, since when, and why in words; below them a line for each program,
sorted by trouble until another column's head is pressed. A line says what the program is at, in a word and a colour:

| word | when |
| --- | --- |
| failing | starts fail, processes crash, or a twentieth of the answers of the last minute are errors: 5xx of the program, or what std-fpm had to answer for it |
| saturated | a request has waited for a process for more than a second |
| slow | a request took longer than \`[slow_log] after\` in the last minute |
| busy, quiet | none of these: with requests in the last minute, or without |

A name opens all that is known of its program: processes, requests at work with their age, times, CPU, memory and what went wrong last. Rates and what is said of the last minute are the differences between
events; the lines show the last three minutes, and begin when the page is opened. What has been counted since the start says so.

![The dashboard, light](images/dashboard-light.png)

It follows the browser's choice of light or dark, fits a phone, and can be used by keys and with a screen reader. With more than 200 programs it shows the others when
they are asked for; the filter finds any of them. When the connection breaks it says so, with the age of what it shows, and tries again each second.

![The dashboard, dark](images/dashboard-dark.png)

![The dashboard on a tablet](images/dashboard-tablet.png)

![The dashboard on a phone](images/dashboard-phone.png)

The buttons do what the POST requests above do. Each asks first and says what exactly will happen. On a TCP address there are none.

The page is a whole: it loads nothing, not even from std-fpm, but the events. Its Content-Security-Policy allows its own style sheet and script by their hashes and
nothing else. Names, URIs and messages are put into it as text.

## Through the web server

\`status_path\` and \`ping_path\` of \`[server]\`, both off by default, are answered over FastCGI by std-fpm itself, as php-fpm does with its \`pm.status_path\` and
\`ping.path\`: at once, even while every process is busy and the queue is full. A request is meant when its SCRIPT_NAME is the path, whatever SCRIPT_FILENAME
says. Only GET and HEAD are known. An authorizer's or a filter's request goes to its program.

\`\`\`nginx
# status_path = "/fpm-status", ping_path = "/fpm-ping"
location ~ ^/fpm-(status|ping)$ {
    allow 127.0.0.1;
    deny all;
    include fastcgi.conf;
    fastcgi_pass unix:/run/std-fpm/std-fpm.sock;
}
\`\`\`

| query | what |
| --- | --- |
| none | Text for people, as \`std-fpm status\` shows it. |
| \`?json\` | As \`/status.json\` above. |
| \`?html\` | A page that stands by itself, without scripts. |
| \`?prometheus\`, \`?openmetrics\` | As \`/metrics\` above. |
| \`&full\` | With any of them: every process, and the requests it is at work on. |

\`ping_path\` answers \`pong\`. Who may ask is the web server's business: the status names programs and shows their errors.

## std-fpm status --watch

As \`top\`: rates, percentiles and CPU are those of the last second, not since the start. The keys \`r f b w t c m n\` sort by requests, failures, busy processes,
waiting requests, time, CPU, memory or name; Tab goes on from the requests at work to processes and to the last errors; \`q\` quits. A narrow terminal shows fewer columns. A daemon that is
gone is waited for. Where nobody has a terminal it is the plain table once a second, or with \`--json\` a line of JSON.

## Numbers

Times are in seconds, sizes in bytes. Counters begin at 0 with the daemon, and with a program's first process; the 128 programs that ended last
keep theirs.

### What stays

\`schema\` is the version of the form of all this. As long as it is 1 every key below keeps its name, its type and its meaning, and so do the names and labels of the metrics. Not promised
are the texts that are for people (\`message\`, \`settings\`, \`cores_from\` and the like) and what is in \`learned\`, which belongs to the policy of today. New keys, codes and metrics may come
with any version: read what you know, and pass over the rest.
`;

const METRICS_INTRO = `
## Metrics

What is counted for each program has the label \`program\`; requests that came to none have it empty.

| metric | kind | labels | meaning |
| --- | --- | --- | --- |
`;

/** docs/status.md, made of the snapshot's schema and the table of metrics. */
export function statusPage(): string {
  const tables = [`\n| key | meaning |\n| --- | --- |\n${rowsOf(snapshotSchema, "").join("\n")}\n`];
  const metrics = METRICS.map(({ name, type, labels, help }) => {
    return `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(", ")} | ${help} |`;
  });
  return `${INTRO}${tables.join("")}${METRICS_INTRO}${metrics.join("\n")}\n`;
}

/** A row for each key; a schema that stands in several places is described at the first. */
function rowsOf(schema: TSchema, prefix: string, seen = new Set<string>()): string[] {
  return Object.entries((schema["properties"] ?? {}) as Record<string, TSchema>).flatMap(
    ([key, property]) => {
      const inner = innerOf(property);
      const isList = property["type"] === "array" && inner !== property;
      const path = `${prefix}${key}${isList ? "[]" : ""}`;
      const names = Object.keys((inner["properties"] ?? {}) as object).join();
      const row = `| \`${path}\` | ${property.description ?? inner.description ?? ""} |`;
      if (names === "") return [row];
      if (seen.has(names)) return [`| \`${path}\` | ${property.description ?? ""} Its keys are as above. |`];
      seen.add(names);
      return [row, ...rowsOf(inner, `${path}.`, seen)];
    },
  );
}

/** What is in a list, or in a union with null. */
function innerOf(schema: TSchema): TSchema {
  if (schema["type"] === "array") return innerOf(schema["items"] as TSchema);
  const choices = schema["anyOf"] as TSchema[] | undefined;
  return choices?.find(({ type }) => type !== "null") ?? schema;
}
