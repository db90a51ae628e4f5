import { expect, test } from "bun:test";
import { resolve } from "node:path";

/** In a process of its own, with the hard limit that it is given: what it may open, and its soft limit, before and after. */
const OPENING = `
  const at = (path) => import(${JSON.stringify(resolve("src/base"))} + "/" + path);
  const { descriptorLimit, restDescriptorLimit } = await at("descriptor-limit.ts");
  const { openPipe } = await at("libc.ts");
  const { resourceLimit, setSoftLimit } = await at("rlimits.ts");
  const [pipes, othersLimit] = JSON.parse(process.argv[1]);
  const seen = [];
  const look = () => seen.push(descriptorLimit(), resourceLimit(0, "nofile").soft);
  restDescriptorLimit();
  look();
  if (othersLimit > 0) setSoftLimit("nofile", othersLimit);
  for (let i = 0; i < pipes; i++) openPipe();
  look();
  console.log(JSON.stringify(seen));
`;

test.each<[string, number, number, number, readonly number[]]>([
  ["rests at that of programs", 4000, 100, 0, [4000, 1024, 4000, 1024]],
  ["rises before that is reached", 4000, 700, 0, [4000, 1024, 4000, 4000]],
  ["stays as it is where it is no higher", 600, 100, 0, [600, 600, 600, 600]],
  ["stays as somebody else has set it", 4000, 400, 900, [4000, 1024, 900, 900]],
  ["stays as somebody else has set it, before it has risen, too", 4000, 100, 900, [4000, 1024, 900, 900]],
])("the soft limit of descriptors %s", (_what, hard, pipes, others, expected) => {
  const command = [process.execPath, "-e", OPENING, JSON.stringify([pipes, others])];
  const { stdout } = Bun.spawnSync(["prlimit", `--nofile=${hard}`, "--", ...command]);
  expect(JSON.parse(stdout.toString())).toEqual(expected);
});
