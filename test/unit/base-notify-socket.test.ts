import { expect, test } from "bun:test";
import { sendDatagram } from "../../src/base/notify-socket.ts";
import { listenForNotifications } from "../support/notify-socket.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitUntil } from "../support/wait-until.ts";

test("a datagram goes to a path or to an abstract name, and it is told whether somebody takes it", async () => {
  for (const start of ["", "@"]) {
    using dir = makeTempDir();
    const address = `${start}${dir.at("notify")}`;
    expect(sendDatagram(address, "READY=1")).toBe(false);
    await using socket = await listenForNotifications(address, dir.path);
    expect(sendDatagram(address, "READY=1")).toBe(true);
    await waitUntil("it is heard", () => socket.messages().length > 0);
    expect(socket.messages()).toEqual([`${process.pid} READY=1`]);
  }
});
