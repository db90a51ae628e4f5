// A PHP page on PHP-FPM (static) and on php-cgi with as many children: under std-fpm, under the floor of plain Bun sockets (what any relay on this runtime
// comes to at best), and alone. All in one run, in turns: ratios are medians of the rounds' ratios. First a connection a request: kept ones pin
// PHP-FPM's children. DURATION (seconds of one measurement), ROUNDS and CHILDREN can be set.
import { mkdirSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { startNginx, type Way } from "../test/support/nginx.ts";
import { startPhpFpm } from "../test/support/php-fpm.ts";
import { startStdFpm } from "../test/support/std-fpm.ts";
import { makeTempDir } from "../test/support/temp-dir.ts";
import { median } from "./median.ts";
import { startServer } from "./sides.ts";
import { runWrk, WARM_UP_S } from "./wrk.ts";

const SECONDS = Number(process.env["DURATION"] ?? 2);
const ROUNDS = Number(process.env["ROUNDS"] ?? 7);
const CHILDREN = Number(process.env["CHILDREN"] ?? 4);
const PAGE = `<?php
$rows = [];
for ($i = 0; $i < 50; $i++) $rows[] = sprintf("<li>%s</li>", htmlspecialchars(md5((string) $i)));
echo "<ul>", implode("", $rows), "</ul>";
`;

using dir = makeTempDir();
mkdirSync(dir.at("www"));
writeFileSync(dir.at("www/page.php"), PAGE);
await using stack = new AsyncDisposableStack();

const phpFpm = await startPhpFpm(dir.path, CHILDREN);
stack.defer(() => phpFpm.stop());
mkdirSync(dir.at("std-fpm"));
const managed = await startStdFpm({
  folder: dir.at("std-fpm"),
  level: "info",
  apps: `[[apps]]
match = "${dir.path}/www/*.php"
extensions = [".php"]
command = ["/usr/bin/php-cgi"]
children = ${CHILDREN}
max_processes = 1
`,
});
stack.defer(() => managed.stop());
const sides = [
  await serve("php-fpm", phpFpm.socket),
  await serve("std-fpm", managed.socket),
  await serve("floor", await startFloor()),
  await serve("no-manager", await startTree("alone")),
];

await compare(`a connection a request, ${4 * CHILDREN} clients`, "direct", 4 * CHILDREN);
await compare(`kept connections, ${CHILDREN} clients`, "kept", CHILDREN);

/** php-cgi by itself. */
async function startTree(name: string): Promise<string> {
  const socket = dir.at(`${name}.sock`);
  const env = { PHP_FCGI_CHILDREN: String(CHILDREN), PHP_FCGI_MAX_REQUESTS: "0" };
  const tree = await startServer(["/usr/bin/php-cgi", "-b", socket], socket, env);
  stack.defer(() => tree.stop());
  return socket;
}

/** The floor, with a connection for each child of a tree of its own. */
async function startFloor(): Promise<string> {
  const tree = await startTree("below-floor");
  const socket = dir.at("floor.sock");
  const connections = Array.from({ length: CHILDREN }, () => tree);
  const floor = await startServer(
    [process.execPath, resolve("bench/floor.ts"), socket, ...connections],
    socket,
  );
  stack.defer(() => floor.stop());
  return socket;
}

async function serve(name: string, socket: string) {
  const nginx = await startNginx({
    folder: dir.at(`nginx-${name}`),
    root: dir.at("www"),
    fastcgi: `unix:${socket}`,
  });
  stack.defer(() => nginx.stop());
  return { name, port: nginx.port };
}

async function compare(title: string, way: Way, connections: number): Promise<void> {
  const url = (port: number) => `http://127.0.0.1:${port}/${way}/page.php`;
  for (const { port } of sides) await runWrk(url(port), connections, WARM_UP_S);
  const perSecond: number[][] = sides.map(() => []);
  const errors = sides.map(() => 0);
  for (let round = 0; round < ROUNDS; round++) {
    for (let turn = 0; turn < sides.length; turn++) {
      const index = (round + turn) % sides.length;
      const result = await runWrk(url(sides[index]?.port ?? 0), connections, SECONDS);
      perSecond[index]?.push(result.requestsPerSecond);
      errors[index] = (errors[index] ?? 0) + result.errors;
    }
  }
  process.stdout.write(`PHP, ${title}\n`);
  const [fpm = []] = perSecond;
  for (const [index, { name }] of sides.entries()) {
    const own = perSecond[index] ?? [];
    const ratio = median(own.map((value, round) => value / (fpm[round] ?? 0)));
    process.stdout.write(
      `  ${name.padEnd(12)}${median(own).toFixed(0).padStart(8)} per s, ratio ${ratio.toFixed(2)}, errors ${errors[index]}\n`,
    );
  }
}
