import { processesOf } from "../../status/activity.ts";
import type { ProcessStatus, ProgramStatus, Snapshot } from "../../status/snapshot.ts";
import { countOf, formatSeconds } from "../../status/units.ts";

/** Something that can be done to the daemon, in the words that it is asked for with. */
export interface Action {
  /** What is sent: a path of the admin server. */
  readonly path: string;
  /** On the button. */
  readonly label: string;
  /** The question. */
  readonly title: string;
  /** What exactly will happen. */
  readonly text: string;
  /** It ends this daemon. */
  readonly isGrave?: boolean;
}

/** The actions on the daemon as a whole. */
export function daemonActions({ pid, total }: Snapshot): Action[] {
  const requests = countOf(total.in_flight, "request");
  return [
    {
      path: "/reload",
      label: "Reload",
      title: "Read the configuration again?",
      text: "What has changed in the files holds from now on; no request is interrupted. If there is a mistake in them, everything stays as it is.",
    },
    {
      path: "/reopen-logs",
      label: "Reopen logs",
      title: "Open the log files again?",
      text: "They are opened by their names once more, as after a rotation. No line is lost.",
    },
    {
      path: "/upgrade",
      label: "Upgrade",
      isGrave: true,
      title: "Start the executable again?",
      text: `A new std-fpm takes the sockets over; pid ${pid} finishes ${requests} and ends. If the new one cannot start, pid ${pid} goes on.`,
    },
    {
      path: "/stop",
      label: "Stop",
      isGrave: true,
      title: "Stop std-fpm?",
      text: `Pid ${pid} takes no more requests, finishes ${requests}, ends ${countOf(processesOf(total), "process", "processes")} of programs and then itself. This page cannot start it again.`,
    },
  ];
}

/** The actions on one program. */
export function programActions(program: ProgramStatus): Action[] {
  const { name } = program;
  const processes = countOf(processesOf(program), "process", "processes");
  const of = `?of=${encodeURIComponent(name)}`;
  return [
    {
      path: `/restart${of}`,
      label: "Restart",
      title: `Restart ${name}?`,
      text: `New processes take the place of its ${processes}, which finish what they are at. No request is lost. If no new one can start, the present ones go on.`,
    },
    {
      path: `/drain${of}`,
      label: "Drain",
      title: `Drain ${name}?`,
      text: `Its ${processes} end as soon as they are free. The next request starts new ones.`,
    },
  ];
}

/** Ending one process. */
export function killAction({ pid, requests }: ProcessStatus, program: ProgramStatus): Action {
  const [oldest] = requests;
  const atWork = oldest
    ? `It has been at work on ${oldest.method} ${oldest.uri} for ${formatSeconds(oldest.age_seconds)}: that breaks off, unless it is safe to ask another process.`
    : "It is not at work on a request.";
  return {
    path: `/kill?of=${pid}`,
    label: "Kill",
    title: `Kill process ${pid}?`,
    text: `Process ${pid} of ${program.name} gets SIGKILL at once. ${atWork}`,
  };
}

/** Does it; says what came of it. */
export async function perform(action: Action): Promise<{ isDone: boolean; message: string }> {
  try {
    const answer = await fetch(action.path, { method: "POST" });
    const text = await answer.text();
    const isJson = answer.headers.get("Content-Type")?.startsWith("application/json");
    return isJson ? JSON.parse(text) : { isDone: false, message: text };
  } catch {
    return { isDone: false, message: "std-fpm did not answer: nobody knows whether it was done" };
  }
}
