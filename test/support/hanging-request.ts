import { connectFcgi, type FcgiConnection } from "./fcgi-connection.ts";
import type { StdFpm } from "./std-fpm.ts";

/** Sends the fault program a request that it never answers. It ends when the connection is disposed of, within `abort_timeout`. */
export async function sendHanging(
  fpm: StdFpm,
  script: string,
  params: Record<string, string> = {},
): Promise<FcgiConnection> {
  const connection = await connectFcgi(fpm.socket);
  await connection.send(connection.encode(script, { params: { QUERY_STRING: "op=hang", ...params } }));
  return connection;
}
