/** What the name of an environment variable may look like, as a regular expression's source. */
export const VARIABLE_NAME = "[A-Za-z_][A-Za-z0-9_]*";

/** These tell a program of sockets and of a service manager that are not its own. */
const RESERVED = /^(?:FCGI_WEB_SERVER_ADDRS|NOTIFY_SOCKET|LISTEN_[A-Z]+)$/;

/** Why no setting may hand on one of these variables; undefined where each may be. */
export function reservedProblem(names: readonly string[]): string | undefined {
  const wrong = names.find((variable) => RESERVED.test(variable));
  return wrong === undefined ? undefined : `${wrong} would make programs misbehave and is never passed on`;
}
