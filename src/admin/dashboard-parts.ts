import { readFileSync } from "node:fs";
import { join } from "node:path";

/** What the dashboard is put together from: three texts. */
export interface DashboardParts {
  readonly page: string;
  readonly style: string;
  readonly script: string;
}

const FOLDER = join(import.meta.dir, "dashboard");
/** In this order: the later ones win. */
const STYLES = ["colors.css", "page.css", "stats.css", "controls.css", "programs.css"];

/**
 * Reads the dashboard's source and makes one script of its modules. To be imported as a macro: it runs when std-fpm is built, and
 * the executable has nothing but the texts.
 */
export function dashboardParts(): DashboardParts {
  const read = (name: string) => readFileSync(join(FOLDER, name), "utf8");
  // A macro may not call Bun.build: it would wait for itself.
  const command = [process.execPath, "build", join(FOLDER, "main.ts"), "--target=browser", "--minify"];
  const built = Bun.spawnSync(command);
  if (!built.success) throw new Error(`the dashboard's script cannot be built: ${built.stderr}`);
  return { page: read("page.html"), style: STYLES.map(read).join(""), script: built.stdout.toString() };
}
