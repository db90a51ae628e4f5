import { chmodSync, mkdirSync } from "node:fs";
import { startApache } from "../support/apache.ts";
import { exchange, type HttpAnswer, type HttpRequest } from "../support/http-exchange.ts";
import { startNginxSite } from "../support/nginx-site.ts";
import { freePort, type WebServer } from "../support/server-process.ts";
import { type StdFpm, startStdFpm } from "../support/std-fpm.ts";
import { makeTempDir, type TempDir } from "../support/temp-dir.ts";
import { adaptedExample, type Replacement } from "./example-file.ts";

/** The web servers that every recipe is for. */
export const RECIPE_SERVERS = ["nginx", "apache"] as const;
export type RecipeServer = (typeof RECIPE_SERVERS)[number];

const APACHE_MODULES = ["setenvif", "dir"];

/** A recipe of docs/recipes.md as a test sets it up. */
export interface Recipe {
  readonly name: string;
  /** Where its files lie, below examples/; undefined: in `recipes`. */
  readonly folder?: string;
  /** Makes what the recipe takes for granted, in a folder; what stands in its files for an installation's places. */
  prepare(dir: TempDir): readonly Replacement[] | Promise<readonly Replacement[]>;
}

/** A recipe's program behind a web server, both configured by the recipe's files. */
export interface RecipeSite extends AsyncDisposable {
  readonly dir: TempDir;
  readonly fpm: StdFpm;
  readonly origin: string;
  ask(path: string, request?: Omit<HttpRequest, "port" | "path">): Promise<HttpAnswer>;
}

/** Starts it all. */
export async function startRecipe(recipe: Recipe, server: RecipeServer): Promise<RecipeSite> {
  const dir = makeTempDir();
  // Programs and Apache's workers run as other users.
  chmodSync(dir.path, 0o755);
  const stack = new AsyncDisposableStack();
  stack.defer(() => dir[Symbol.dispose]());
  try {
    const replacements = await recipe.prepare(dir);
    const of = (file: string) =>
      adapted(`${recipe.folder ?? "recipes"}/${recipe.name}.${file}`, replacements);
    const fpm = await startStdFpm({
      folder: dir.path,
      server: 'listen_mode = "0666"',
      apps: of("toml"),
    });
    stack.defer(() => fpm.stop());
    const web = await startServer(
      server,
      dir,
      of(`${server}.conf`).replaceAll("/run/std-fpm/std-fpm.sock", fpm.socket),
    );
    stack.defer(() => web.stop());
    return {
      dir,
      fpm,
      origin: `http://127.0.0.1:${web.port}`,
      ask: (path, request = {}) => exchange({ port: web.port, path, ...request }),
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

function startServer(server: RecipeServer, dir: TempDir, site: string): Promise<WebServer> {
  const folder = dir.at("server");
  mkdirSync(folder);
  const port = freePort();
  return server === "nginx"
    ? startNginxSite({ folder, port, site: site.replace("listen 80;", `listen ${port};`) })
    : startApache({ folder, port, site: site.replace("*:80", `*:${port}`) }, APACHE_MODULES);
}

/** The places need not occur in each of a recipe's files. */
function adapted(example: string, replacements: readonly Replacement[]): string {
  return replacements.reduce((text, [from, to]) => text.replaceAll(from, to), adaptedExample(example, []));
}
