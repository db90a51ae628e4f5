import { normalize } from "node:path";
import { BugError } from "../base/errors.ts";
import { type AccessFormat, parseAccessFormat } from "./access-format.ts";
import { createAppFor } from "./app-for.ts";
import type {
  AdminConfig,
  AppConfig,
  Config,
  ListenAddress,
  LogConfig,
  ResourceLimits,
  ServerConfig,
} from "./config.ts";
import { parseListenAddress } from "./listen-address.ts";
import { GLOB } from "./overlaps.ts";
import { type AdminTable, type AppTable, BASE_NAME, type LogTable, type ServerTable } from "./schema.ts";
import { tableNames } from "./table-names.ts";
import { layApp, type Tables } from "./tables.ts";
import { parseDuration, parseSize } from "./units.ts";

/** The configuration that checked tables mean. `files` are those they were read from. */
export function resolveTables(tables: Tables, files: readonly string[]): Config {
  const app = resolveApp(tables.app, BASE_NAME, { isNamed: false, namesPath: false });
  const names = tableNames(tables.apps);
  const isLiteral = tables.apps.map(({ match }) => !GLOB.test(match));
  const merge = (matched: readonly number[]) =>
    resolveApp(layMatched(tables, matched), matched.map((index) => names[index]).join(" + "), {
      isNamed: matched.some((index) => tables.apps[index]?.name !== undefined),
      namesPath: matched.some((index) => isLiteral[index]),
    });
  return {
    server: resolveServer(tables.server),
    log: resolveLog(tables.log),
    accessLog: { file: tables.access_log.file, format: accessFormat(tables.access_log.format) },
    slowLog: { afterMs: milliseconds(tables.slow_log.after), command: tables.slow_log.command },
    admin: resolveAdmin(tables),
    app,
    appFor: createAppFor(app, tables.apps, merge, "responder"),
    authorizerFor: createAppFor(app, tables.apps, merge, "authorizer"),
    hasStreams: [tables.app, ...tables.apps].some(({ spool }) => spool === "never"),
    literalMatches: tables.apps.filter((_, index) => isLiteral[index]).map(({ match }) => match),
    files,
  };
}

function resolveLog({ request_fields, ...log }: LogTable): LogConfig {
  return { ...log, requestFields: request_fields };
}

/** Where `[admin] listen` says: a mere name is in the runtime folder. */
export function adminAddresses(admin: AdminTable, server: ServerTable): ListenAddress[] {
  const texts = admin.listen === "" ? [] : [admin.listen].flat();
  const inFolder = (name: string) => listenAddress(`${plainFolder(server.runtime_dir)}/${name}`);
  return texts.map((text) => parseListenAddress(text) ?? inFolder(text));
}

/** Where `[server] listen` says. */
export function serverAddresses({ listen }: ServerTable): ListenAddress[] {
  return [listen].flat().map(listenAddress);
}

function resolveAdmin({ admin, server }: Tables): AdminConfig {
  return {
    listen: adminAddresses(admin, server),
    listenGroup: admin.listen_group,
    listenMode: Number.parseInt(admin.listen_mode, 8),
  };
}

function layMatched(tables: Tables, matched: readonly number[]): AppTable {
  return matched.reduce((merged, index) => {
    const { match: _, name: __, role: ___, ...settings } = tables.apps[index] ?? { match: "" };
    return layApp(merged, settings);
  }, tables.app);
}

function resolveServer(table: ServerTable): ServerConfig {
  return {
    listen: serverAddresses(table),
    listenMode: Number.parseInt(table.listen_mode, 8),
    listenOwner: table.listen_owner,
    listenGroup: table.listen_group,
    listenBacklog: table.listen_backlog,
    allowedClients: table.allowed_clients,
    allowedUsers: table.allowed_users,
    runtimeDir: plainFolder(table.runtime_dir),
    spoolDir: plainFolder(table.spool_dir),
    spoolLimitBytes: bytes(table.spool_limit),
    maxProcesses: table.max_processes,
    maxConnections: table.max_connections,
    bufferLimitBytes: bytes(table.buffer_limit),
    statusPath: table.status_path,
    pingPath: table.ping_path,
    headTimeoutMs: milliseconds(table.head_timeout),
    drainTimeoutMs: milliseconds(table.drain_timeout),
  };
}

function resolveApp(
  table: AppTable,
  id: string,
  { isNamed, namesPath }: Pick<AppConfig, "isNamed" | "namesPath">,
): AppConfig {
  return {
    id,
    isNamed,
    extensions: table.extensions,
    extensionsIgnoreCase: table.extensions_ignore_case,
    namesPath,
    anyPath: table.any_path,
    roots: table.roots.map(plainFolder),
    protocol: table.protocol,
    command: table.command.length === 0 ? undefined : table.command,
    cwd: table.cwd,
    env: table.env,
    envFile: table.env_file,
    envPass: table.env_pass,
    wrapper: table.wrapper,
    user: table.user,
    group: table.group,
    lowestUid: table.lowest_uid,
    nice: table.nice,
    cgroup: table.cgroup,
    umask: table.umask === "" ? undefined : Number.parseInt(table.umask, 8),
    noNewPrivileges: table.no_new_privileges,
    limits: resolveLimits(table.limits),
    concurrency: concurrencyOf(table),
    children: table.protocol === "cgi" ? 0 : table.children,
    restartOnChange: table.restart_on_change,
    maxProcesses: table.max_processes,
    minProcesses: table.min_processes,
    maxRequests: table.max_requests,
    maxAgeMs: milliseconds(table.max_age),
    maxMemoryBytes: bytes(table.max_memory),
    maxMemoryHardBytes: bytes(table.max_memory_hard),
    queueLength: table.queue_length,
    keepConnection: table.keep_connection,
    idleTimeoutMs: milliseconds(table.idle_timeout),
    queueTimeoutMs: milliseconds(table.queue_timeout),
    startTimeoutMs: milliseconds(table.start_timeout),
    requestTimeoutMs: milliseconds(table.request_timeout),
    bodyTimeoutMs: milliseconds(table.body_timeout),
    spool: table.spool,
    maxBodyBytes: bytes(table.max_body),
    abortTimeoutMs: milliseconds(table.abort_timeout),
    stopTimeoutMs: milliseconds(table.stop_timeout),
    stderr: table.stderr,
    logStderr: table.log_stderr,
    outputLimit: table.output_limit,
  };
}

function concurrencyOf({ protocol, children, concurrency }: AppTable): number {
  if (protocol === "cgi") return 1;
  return children > 0 ? children : concurrency;
}

/** `limits` in numbers, bytes and seconds. */
export function resolveLimits({ core, as, cpu, ...counts }: AppTable["limits"]): ResourceLimits {
  return {
    ...counts,
    ...(core === undefined ? {} : { core: bytes(core) }),
    ...(as === undefined ? {} : { as: bytes(as) }),
    ...(cpu === undefined ? {} : { cpu: milliseconds(cpu) / 1000 }),
  };
}

/** A folder without `//`, `.`, `..` and without a slash at its end, so that paths can be compared with it. */
function plainFolder(path: string): string {
  const plain = normalize(path);
  return plain === "/" ? plain : plain.replace(/\/+$/, "");
}

function listenAddress(text: string): ListenAddress {
  const address = parseListenAddress(text);
  if (address === undefined) throw new BugError(`the listening address ${text} was not checked`);
  return address;
}

function accessFormat(text: string): AccessFormat {
  const format = parseAccessFormat(text);
  if (typeof format === "string") throw new BugError(`the format ${text} was not checked`);
  return format;
}

function milliseconds(text: string): number {
  const parsed = parseDuration(text);
  if (parsed === undefined) throw new BugError(`the duration ${text} was not checked`);
  return parsed;
}

function bytes(text: string): number {
  const parsed = parseSize(text);
  if (parsed === undefined) throw new BugError(`the size ${text} was not checked`);
  return parsed;
}
