import { ByteBudget } from "../../src/base/byte-budget.ts";
import { systemClock } from "../../src/base/clock.ts";
import { LimitedLog } from "../../src/base/limited-log.ts";
import type { Log } from "../../src/base/log.ts";
import { Admission } from "../../src/front/admission.ts";
import { Front } from "../../src/front/front.ts";
import type { FrontRequest } from "../../src/front/request.ts";

/** A front on a Unix socket of its own, whose requests are worked on by `onRequest`. */
export function frontAt(path: string, log: Log, onRequest: (request: FrontRequest) => void): Front {
  const limits = { maxConnections: 100, descriptors: 1000, headTimeoutMs: 10_000, bodyTimeoutMs: 10_000 };
  const bind = { mode: 0o600, uid: undefined, gid: undefined, backlog: 16 };
  return new Front([{ kind: "unix", path }], { ...bind, ...limits, admission: new Admission([], []) }, [], {
    clock: systemClock,
    log,
    clientLog: new LimitedLog(systemClock, log),
    buffers: new ByteBudget(1e9),
    onRejected() {},
    onDismissed() {},
    isStreamed: () => false,
    onRequest,
  });
}
