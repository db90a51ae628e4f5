import { type CommandDef, defineCommand } from "citty";
import { hasEnded } from "../backend/usage.ts";
import { escapeControls } from "../base/escape-controls.ts";
import { ADMIN_FLAGS, AdminClient, type Done } from "./admin-client.ts";
import { type CommandData, EXIT_FAILED, EXIT_OK } from "./command.ts";
import { programName } from "./program-name.ts";

const END_LOOK_MS = 2;
const LONGEST_END_MS = 1000;
const PROGRAM = "The program: its path, or its name in std-fpm status";

/** `std-fpm reload`, `upgrade` and `reopen-logs`: what the signals do, with an answer. */
export const reloadCommand = plainAction("reload", "Read the configuration again, as SIGHUP does");
export const upgradeCommand = plainAction(
  "upgrade",
  "Start the executable again and hand over to it, as SIGUSR2 does",
);
export const reopenLogsCommand = plainAction(
  "reopen-logs",
  "Open the files of the logs anew, as SIGUSR1 does",
);

/** `std-fpm restart PROGRAM`, `drain PROGRAM` and `kill PID`. */
export const restartCommand = actionOn("restart", "Replace a program's processes without losing a request", {
  name: "program",
  description: PROGRAM,
});
export const drainCommand = actionOn("drain", "End a program's processes when they are free", {
  name: "program",
  description: PROGRAM,
});
export const killCommand = actionOn("kill", "Kill one process of a program", {
  name: "pid",
  description: "Its process id, as std-fpm status --full shows it",
});

/** `std-fpm stop`: as SIGTERM; comes back when the daemon has ended. */
export const stopCommand = defineCommand({
  meta: { name: "stop", description: "Finish the requests in flight, then end; waits for the end" },
  args: ADMIN_FLAGS,
  async run({ args, data }) {
    const { terminal } = data as CommandData;
    const client = await AdminClient.open("stop", args, terminal);
    const done = await client.act("stop");
    const { pid } = done;
    if (!done.isDone || pid === undefined) return await report(done, terminal);
    await terminal.out(`pid ${pid}: ${done.message}\n`);
    await client.ended();
    await processEnds(pid);
    await terminal.out(`pid ${pid} has ended\n`);
    return EXIT_OK;
  },
});

/** The kernel closes the connections of a process a moment before it has ended. In another namespace its pid may be somebody else's here: not for long. */
async function processEnds(pid: number): Promise<void> {
  const until = performance.now() + LONGEST_END_MS;
  while (!hasEnded(pid) && performance.now() < until) await Bun.sleep(END_LOOK_MS);
}

function plainAction(name: string, description: string): CommandDef<typeof ADMIN_FLAGS> {
  return defineCommand({
    meta: { name, description },
    args: ADMIN_FLAGS,
    async run({ args, data }) {
      const { terminal } = data as CommandData;
      const client = await AdminClient.open(name, args, terminal);
      return await report(await client.act(name), terminal);
    },
  });
}

function actionOn(name: string, description: string, on: { name: string; description: string }) {
  return defineCommand({
    meta: { name, description },
    args: {
      [on.name]: { type: "positional", required: true, description: on.description },
      ...ADMIN_FLAGS,
    } as const,
    async run({ args, data }) {
      const { terminal } = data as CommandData;
      const client = await AdminClient.open(name, args, terminal);
      const of = String(args[on.name]);
      const done = await client.act(name, on.name === "program" ? programName(of) : of);
      return await report(done, terminal);
    },
  });
}

async function report({ isDone, message }: Done, terminal: CommandData["terminal"]): Promise<number> {
  // Names in it are those of programs: whoever may make a file chooses them.
  const lines = message.split("\n").map(escapeControls);
  if (isDone) await terminal.out(`${lines.join("\n")}\n`);
  else terminal.err(`std-fpm: ${lines.join("\nstd-fpm: ")}\n`);
  return isDone ? EXIT_OK : EXIT_FAILED;
}
