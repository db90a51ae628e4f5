import type { AppsTable } from "./schema.ts";

/**
 * What each `[[apps]]` table is called in logs, numbers and commands, as long as it is there: its `name`, else its `match`. Where it stands says
 * nothing: another table before it changes no name. A second table with the same `match` is told apart by its number.
 */
export function tableNames(tables: readonly Pick<AppsTable, "name" | "match">[]): string[] {
  const taken = new Set<string>();
  return tables.map(({ name, match }) => {
    const wanted = name ?? match;
    let free = wanted;
    for (let number = 2; taken.has(free); number++) free = `${wanted}#${number}`;
    taken.add(free);
    return free;
  });
}
