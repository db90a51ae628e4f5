import { groupId, userId } from "../base/accounts.ts";
import { messageOf } from "../base/errors.ts";
import { type SetElsewhere, setElsewhere } from "../config/overlaps.ts";
import type { AppTable } from "../config/schema.ts";
import { layApp, type Tables } from "../config/tables.ts";
import { readEnvFile } from "./env-file.ts";
import { runnerFor } from "./runner.ts";
import { controlGroupProblem } from "./spawn.ts";

/** What is said of all of them. */
const CONSEQUENCE = "programs will not start";

/**
 * Why programs of a table will not start, a line each, as each start would find out by itself: its `env_file`, its `cgroup`, and, run by root, nobody to
 * run as. Names of users and groups that do not exist are told with the configuration (`config/warnings`). Reads files and the user database.
 */
export async function startProblems({ app, apps }: Tables, isRoot: boolean): Promise<string[]> {
  const problems = ofFiles(app, "app");
  // Where [app] names nobody, that is told with all the tables that do not either.
  const isNamed = app.user !== "";
  if (isRoot && isNamed) problems.push(...ofRunner(app, "app"));
  const elsewhere = setElsewhere(apps);
  for (const [index, table] of apps.entries()) {
    const name = `apps[${index}]`;
    problems.push(...ofFiles(table, name));
    const merged = layApp(app, table);
    if (!isRoot || (merged.user === "" && !isNamed)) continue;
    const ofOwn = (table.user ?? table.group) === undefined ? [] : ofRunner(merged, name, table);
    if (ofOwn.length > 0 && !(await isSetElsewhere(index, elsewhere))) problems.push(...ofOwn);
  }
  return problems.map((problem) => `${problem}: ${CONSEQUENCE}`);
}

/** Whether another table may name user or group for some of the paths. */
async function isSetElsewhere(index: number, elsewhere: SetElsewhere): Promise<boolean> {
  const others = [...(await elsewhere(index, "user")), ...(await elsewhere(index, "group"))];
  return others.some((each) => each !== "");
}

function ofFiles({ env_file = "", cgroup = "" }: Partial<AppTable>, name: string): string[] {
  const problems: string[] = [];
  try {
    if (env_file !== "") readEnvFile(env_file);
  } catch (error) {
    problems.push(`${name}.env_file: ${messageOf(error)}`);
  }
  const group = controlGroupProblem(cgroup);
  return group === undefined ? problems : [...problems, `${name}.cgroup: ${group}`];
}

/** Of settings as they hold; `written` is the table that they are told of. */
function ofRunner(settings: AppTable, name: string, written: Partial<AppTable> = settings): string[] {
  const { user, group } = settings;
  // An owner is only known with a file.
  if (user === "owner" || (user !== "" && userId(user) === undefined)) return [];
  if (group !== "" && groupId(group) === undefined) return [];
  try {
    runnerFor(settings, undefined);
    return [];
  } catch (error) {
    return [`${name}.${written.user === undefined ? "group" : "user"}: ${messageOf(error)}`];
  }
}
