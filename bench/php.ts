// A PHP page on PHP-FPM (static) and on php-cgi with as many children under std-fpm, side by side in one run, in turns: ratios are medians of the
// rounds' ratios. First a connection a request: kept ones pin PHP-FPM's children. DURATION (seconds of one measurement), ROUNDS and CHILDREN can be set.
import { mkdirSync, writeFileSync } from "node:fs";
import { startNginx, type Way } from "../test/support/nginx.ts";
import { startPhpFpm } from "../test/support/php-fpm.ts";
import { startStdFpm } from "../test/support/std-fpm.ts";
import { makeTempDir } from "../test/support/temp-dir.ts";
import { median } from "./median.ts";
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
const sides = [await serve("php-fpm", phpFpm.socket), await serve("std-fpm", managed.socket)] as const;

await compare(`a connection a request, ${4 * CHILDREN} clients`, "direct", 4 * CHILDREN);
await compare(`kept connections, ${CHILDREN} clients`, "kept", CHILDREN);

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
  const rounds: [number, number][] = [];
  let errors = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const perSecond: [number, number] = [0, 0];
    for (const index of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      const result = await runWrk(url(sides[index].port), connections, SECONDS);
      perSecond[index] = result.requestsPerSecond;
      errors += result.errors;
    }
    rounds.push(perSecond);
  }
  const [fpm, ours] = [0, 1].map((index) => median(rounds.map((each) => each[index as 0 | 1])).toFixed(0));
  const ratio = median(rounds.map(([theirs, own]) => own / theirs)).toFixed(2);
  process.stdout.write(
    `PHP, ${title}: php-fpm ${fpm} per s, std-fpm ${ours} per s, ratio ${ratio}, errors ${errors}\n`,
  );
}
