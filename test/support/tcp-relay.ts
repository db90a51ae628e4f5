import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** What `ssh -L PORT:/path/to/socket` does: a TCP port of this machine that leads to a Unix socket. */
export interface TcpRelay extends AsyncDisposable {
  readonly port: number;
}

/** Listens on a free port. Each connection leads to whoever listens at the path by then. */
export async function startTcpRelay(path: string): Promise<TcpRelay> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const target = connect(path);
    for (const socket of [client, target]) {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
      socket.on("error", () => {});
    }
    client.on("close", () => target.destroy());
    target.on("close", () => client.destroy());
    client.pipe(target).pipe(client);
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((done) => server.close(done));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
