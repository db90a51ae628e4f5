import type { TObject } from "@sinclair/typebox";
import { adminSchema } from "./admin-schema.ts";
import { appSchema } from "./app-schema.ts";
import { annotationsOf } from "./keys.ts";
import {
  type AccessLogTable,
  type AdminTable,
  type AppsTable,
  type AppTable,
  accessLogSchema,
  type ConfigFile,
  type LogTable,
  logSchema,
  type ServerTable,
  type SlowLogTable,
  slowLogSchema,
} from "./schema.ts";
import { serverSchema } from "./server-schema.ts";

/** The settings of all files laid over the defaults, as files write them. */
export interface Tables {
  readonly server: ServerTable;
  readonly log: LogTable;
  readonly access_log: AccessLogTable;
  readonly slow_log: SlowLogTable;
  readonly admin: AdminTable;
  readonly app: AppTable;
  readonly apps: readonly AppsTable[];
}

/** What holds when no file says anything. */
export function defaultTables(): Tables {
  return {
    server: defaultsOf<ServerTable>(serverSchema),
    log: defaultsOf<LogTable>(logSchema),
    access_log: defaultsOf<AccessLogTable>(accessLogSchema),
    slow_log: defaultsOf<SlowLogTable>(slowLogSchema),
    admin: defaultsOf<AdminTable>(adminSchema),
    app: defaultsOf<AppTable>(appSchema),
    apps: [],
  };
}

/** `file` laid over `base`: key by key, `env` and `limits` merged, `[[apps]]` appended. */
export function layFile(base: Tables, file: ConfigFile): Tables {
  return {
    server: { ...base.server, ...file.server },
    log: { ...base.log, ...file.log },
    access_log: { ...base.access_log, ...file.access_log },
    slow_log: { ...base.slow_log, ...file.slow_log },
    admin: { ...base.admin, ...file.admin },
    app: layKeys(base.app, file.app ?? {}),
    apps: [...base.apps, ...((file.apps ?? []) as readonly AppsTable[])],
  };
}

/**
 * The program settings `over` of an `[[apps]]` table laid over `base`: key by key, `env` and `limits` merged. Another `command` begins without the
 * `any_path` and the `children` of the one before, and `any_path` is nothing that plain CGI could have.
 */
export function layApp(base: AppTable, over: Partial<AppTable>): AppTable {
  const { any_path, children, protocol } = over;
  const isAnother = over.command && !Bun.deepEquals(over.command, base.command);
  const own = isAnother && { any_path: any_path ?? false, children: children ?? 0 };
  return layKeys(base, { ...over, ...own, ...(any_path && { protocol: protocol ?? "fastcgi" }) });
}

function layKeys(base: AppTable, over: Partial<AppTable>): AppTable {
  return {
    ...base,
    ...over,
    env: { ...base.env, ...over.env },
    limits: { ...base.limits, ...over.limits },
  };
}

/** The tables as a file that, read alone, resolves to the same configuration. */
export function renderTables(tables: Tables): string {
  // The included files are in the tables already.
  return Bun.TOML.stringify({ ...tables, server: { ...tables.server, include: "" } }) ?? "";
}

function defaultsOf<Table>(schema: TObject): Table {
  const entries = Object.entries(schema.properties).map(([key, property]) => {
    return [key, structuredClone(annotationsOf(property).default)];
  });
  return Object.fromEntries(entries) as Table;
}
