/**
 * Sends a signal to a process, or with a negative number to its group; 0 only asks (kill(2)). False when none is left, which may have happened just
 * now, or when it is not ours to signal.
 */
export function sendSignal(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
