import type { AppConfig } from "../../src/config/config.ts";

/** A program's settings with the defaults of the bundled configuration, and these changes. */
export function appConfig(changes: Partial<AppConfig>): AppConfig {
  return {
    id: "app",
    extensions: [".fcgi", ".fpl"],
    roots: [],
    command: undefined,
    cwd: "",
    env: {},
    envPass: [],
    wrapper: [],
    user: "",
    group: "",
    lowestUid: 1000,
    nice: 0,
    cgroup: "",
    limits: {},
    concurrency: 1,
    restartOnChange: [],
    maxProcesses: 0,
    minProcesses: 0,
    maxRequests: 0,
    maxAgeMs: 0,
    maxMemoryBytes: 0,
    maxMemoryHardBytes: 0,
    queueLength: 0,
    keepConnection: true,
    idleTimeoutMs: 180_000,
    queueTimeoutMs: 30_000,
    startTimeoutMs: 30_000,
    requestTimeoutMs: 0,
    bodyTimeoutMs: 60_000,
    abortTimeoutMs: 10_000,
    stopTimeoutMs: 10_000,
    ...changes,
  };
}
