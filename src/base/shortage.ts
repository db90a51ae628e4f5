import { errnoOf, FpmError } from "./errors.ts";

/** Of our own, and of the machine. */
const ERRNOS = ["EMFILE", "ENFILE"];

/** What was in want of a descriptor is tried again after this time. */
export const SHORTAGE_MS = 25;

/** What could not be done since no descriptors are left: of that nobody but ourselves is guilty, and it may go well in a moment. */
export function noDescriptors(what: string): FpmError {
  const why = `${what}: no descriptors are left; raise the limit of open files (LimitNOFILE) or lower max_processes or max_connections`;
  return new FpmError("NO_DESCRIPTORS", "daemon", `${why}.`);
}

/** Whether a thrown error says that no descriptors are left. */
export function isShortage(thrown: unknown): boolean {
  return thrown instanceof FpmError ? thrown.code === "NO_DESCRIPTORS" : ERRNOS.includes(errnoOf(thrown));
}
