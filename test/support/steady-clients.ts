import { connectFcgi } from "./fcgi-connection.ts";
import type { Site } from "./site.ts";

/** Clients that ask without a pause, each over a connection a request or a kept one, straight or through nginx. */
export interface SteadyClients {
  /** Answers so far. */
  readonly answered: number;
  /** Lets each finish its request, and gives what went wrong. */
  stop(): Promise<string[]>;
}

/** More say no more: where a test has failed, its clients would go on for ever. */
const MOST_FAILURES = 1000;
/** A kept connection may be closed when it was idle for 100 ms. */
const PAUSE_MS = 150;

/** So many clients ask the site's `lab.fcgi`. */
export function startClients(site: Site, count: number): SteadyClients {
  const script = `${site.root}/lab.fcgi`;
  const params = { QUERY_STRING: "op=sleep&ms=3" };
  const failures: string[] = [];
  let answered = 0;
  let isOver = false;

  const checked = (answer: { stdout: string }) => {
    if (/^Status: [45]|^(?!Content-)/.test(answer.stdout))
      throw new Error(`answered ${answer.stdout.slice(0, 200)}`);
    answered++;
  };
  const once = async () => {
    using connection = await connectFcgi(site.fpm.socket);
    checked(await connection.request(script, { params: { ...params, REQUEST_METHOD: "POST" } }));
  };
  const kept = async () => {
    using connection = await connectFcgi(site.fpm.socket);
    for (let id = 1; !isOver && !connection.isClosed; id++) {
      const answer = await connection.request(script, { id, keepConn: true, params }).catch((error) => {
        // What met the close and has not run is asked again, as web servers do.
        if (id === 1 || connection.records.some(({ requestId }) => requestId === id)) throw error;
      });
      if (!answer) return;
      checked(answer);
      await Bun.sleep(id % 3 === 0 ? PAUSE_MS : 0);
    }
  };
  const throughNginx = (way: "direct" | "kept") => async () => {
    await site.text("lab.fcgi?op=sleep&ms=3", way);
    answered++;
  };
  const kinds = [once, kept, throughNginx("direct"), throughNginx("kept")];
  const client = async (number: number) => {
    const ask = kinds[number % kinds.length] as () => Promise<void>;
    while (!isOver && failures.length < MOST_FAILURES)
      await ask().catch((error) => failures.push(String(error)));
  };
  const clients = Array.from({ length: count }, (_, number) => client(number));
  return {
    get answered() {
      return answered;
    },
    async stop() {
      isOver = true;
      await Promise.all(clients);
      return failures;
    },
  };
}
