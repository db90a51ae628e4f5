import { describe, expect, test } from "bun:test";
import { FpmError } from "../../src/base/errors.ts";
import { encodeRecord } from "../../src/fcgi/encoder.ts";
import { RequestHead } from "../../src/fcgi/head.ts";
import { FCGI_STDERR } from "../../src/fcgi/protocol.ts";
import { endRequest, relayWorld, startedRelay, stdout, toldOf, wholeAnswer } from "../support/relay-world.ts";

const stderr = (text: string) => encodeRecord(FCGI_STDERR, 1, Buffer.from(text));

describe("a request to a program", () => {
  test("asks it to keep the connection where that is configured and it goes by the ids of requests", () => {
    const asksToKeep = (keepConnection: boolean, ignoresIds: boolean) => {
      const { backend, opened, start } = relayWorld({ app: { keepConnection } });
      if (ignoresIds) backend.conduct.onIgnoredId();
      start();
      return new RequestHead(opened()).keepConn;
    };
    expect(asksToKeep(true, false)).toBe(true);
    expect([asksToKeep(true, true), asksToKeep(false, false), asksToKeep(false, true)]).toEqual([
      false,
      false,
      false,
    ]);
  });

  test("for which no connection is to be had was seen by nobody", () => {
    const unopened = new FpmError("CONNECT_FAILED", "backend", "its backlog is full");
    const { clock, client, end } = startedRelay({ unopened, app: { requestTimeoutMs: 1000 }, hasBody: true });
    expect(toldOf(end())).toEqual(["unanswered", "unseen", "left", "CONNECT_FAILED", "its backlog is full"]);
    expect([client.listener, clock.timers]).toEqual([undefined, 0]);
  });
});

describe("an answer", () => {
  test("goes to the web server under the id that it gave, and its statuses are told", () => {
    const { client, answer, end } = startedRelay();
    answer(stdout("Status: 404\n\nno"), endRequest(3));
    expect(client.got).toEqual(
      Buffer.concat([
        encodeRecord(6, 7, Buffer.from("Status: 404\n\nno")),
        encodeRecord(3, 7, Uint8Array.of(0, 0, 0, 3, 0, 0, 0, 0)),
      ]),
    );
    expect(end()).toEqual({
      kind: "answered",
      appStatus: 3,
      protocolStatus: 0,
      status: 404,
      ending: "kept",
    });
  });

  test("once complete leaves nobody who waits for more of it, and no time runs on", () => {
    const { relay, clock, link, client, lease, answer, end } = startedRelay({
      app: { requestTimeoutMs: 1000 },
      hasBody: true,
    });
    expect([link.user, client.listener, lease.user]).toEqual([relay, relay, relay]);
    answer(wholeAnswer());
    expect([link.user, client.listener, lease.user]).toEqual([undefined, undefined, undefined]);
    // What was to be is over, whatever is told now.
    clock.advance(100_000);
    relay.onLinkClosed(undefined);
    relay.onClientLeft();
    expect(end()?.kind).toBe("answered");
  });

  test("ends a connection that is of no further use", () => {
    const endingOf = (world: ReturnType<typeof startedRelay>) => {
      world.answer(wholeAnswer());
      return world.end()?.ending;
    };
    expect(endingOf(startedRelay())).toBe("kept");
    expect(endingOf(startedRelay({ app: { keepConnection: false } }))).toBe("over");
    expect(endingOf(startedRelay({ hasBody: true }))).toBe("over");
    const spoilt = startedRelay();
    spoilt.link.isReusable = false;
    expect(endingOf(spoilt)).toBe("over");
  });

  test("is not read on while the web server takes nothing, and is when it does again", () => {
    const { notes, client, answer, relay } = startedRelay();
    answer(stdout("A: b\n\nfast"), stderr("fast"));
    expect(notes).toEqual(["stderr 12"]);
    client.isSlow = true;
    answer(stdout("slow"));
    expect(notes.splice(0)).toEqual(["stderr 12", "pause link"]);
    relay.onClientDrain();
    answer(stderr("slow"));
    expect(notes).toEqual(["resume link", "stderr 12", "pause link"]);
  });

  test("is counted with all the bytes of its records, and so is what comes of the body", () => {
    const { lease, answer, send } = startedRelay({ hasBody: true });
    send(100);
    send(50);
    expect(lease.bytesIn).toBe(150);
    answer(stdout("A: b\n\n"));
    answer(endRequest());
    expect(lease.bytesOut).toBe(8 + 6 + 16);
  });

  test("has its error stream told, without what is around it", () => {
    const { backend, answer } = startedRelay();
    answer(stderr("one\n"), stdout("A: b\n\n"), stderr("two\n"), endRequest());
    expect(backend.errors).toBe("one\ntwo\n");
  });

  test("under an id above 1 says that the program goes by ids; under 1 every program answers", () => {
    for (const [requestId, notes] of [
      [1, []],
      [2, ["echo"]],
    ] as const) {
      const world = startedRelay({ requestId });
      world.answer(wholeAnswer(requestId));
      expect(world.notes).toEqual([...notes]);
    }
  });

  test("that is none is told with the process that gave it, and leaves the process alone", () => {
    const { lease, answer, end } = startedRelay();
    lease.pid = 42;
    answer(endRequest());
    expect(toldOf(end())).toEqual([
      "unanswered",
      "bad",
      "over",
      "BACKEND_BROKEN",
      "/x.fcgi (pid 42) ended the request without a byte of an answer.",
    ]);
    expect(lease.verdict).toBeUndefined();
  });

  test("of a plain CGI process that is none is told in the same way, by the name of its place where no process is known", () => {
    const { backend, link, lease, end } = startedRelay();
    backend.label = "/x.cgi";
    lease.pid = 0;
    link.user?.onLinkUnanswered("printed nothing");
    expect(toldOf(end())).toEqual(["unanswered", "bad", "over", "BACKEND_BROKEN", "/x.cgi printed nothing."]);
  });

  test("to something else is a bad one, and its process ends: nobody knows what it sends next", () => {
    for (const [begun, kind, when] of [
      [[], "unanswered", "before it answered"],
      [[stdout("A: b\n\n"), stdout("more")], "truncated", "in mid-answer"],
    ] as const) {
      const { lease, answer, end } = startedRelay();
      answer(...begun, stdout("x", 9));
      expect(lease.verdict?.reason).toBe("bad answer");
      expect(toldOf(end())).toEqual([
        kind,
        kind === "unanswered" ? "bad" : undefined,
        "left",
        "BACKEND_BROKEN",
        `/x.fcgi (pid 1) sent FCGI_STDOUT for request 9, while it works on 1 ${when}.`,
      ]);
    }
  });

  test("on a connection that had served others says nothing of the process: a child of it may have written into the answer", () => {
    for (const [begun, kind] of [
      [[], "unanswered"],
      [[stdout("A: b\n\n", 2), stdout("more", 2)], "truncated"],
    ] as const) {
      const { lease, answer, end, notes } = startedRelay({ requestId: 2 });
      answer(...begun, stdout("x", 9));
      expect([lease.verdict, notes.includes("mixed records")]).toEqual([undefined, true]);
      expect(toldOf(end())).toEqual([
        kind,
        kind === "unanswered" ? "stale" : undefined,
        "left",
        "BACKEND_BROKEN",
        "/x.fcgi (pid 1) sent FCGI_STDOUT for request 9, while it works on 2, on a connection that had served others before.",
      ]);
    }
  });
});

describe("a client that leaves", () => {
  test("ends the relay, and the process may be at work on", () => {
    const { client, link, end } = startedRelay();
    client.listener?.onClientLeft();
    expect([end(), link.user]).toEqual([{ kind: "client-left", ending: "left" }, undefined]);
  });
});

describe("bytes that belong to no request", () => {
  test("behind an answer end the connection with it", () => {
    const { notes, answer, end } = startedRelay();
    answer(wholeAnswer(), stdout("more"));
    expect([notes, end()?.kind]).toEqual([["stale record", "spoil"], "answered"]);
  });

  test("of an earlier request spoil the connection, and are no sign of anything else in the midst of an answer", () => {
    const { notes, clock, answer, end } = startedRelay({ requestId: 3 });
    answer(stdout("old", 2));
    expect(notes).toEqual(["stale record", "spoil"]);
    answer(stdout("A: b\n\n", 3), endRequest(0, 2));
    clock.advance(1000);
    expect([notes.includes("probe"), end()]).toEqual([false, undefined]);
  });
});

describe("a whole answer under the id of an earlier request", () => {
  const answered = (world: ReturnType<typeof startedRelay>) => {
    world.answer(wholeAnswer(2));
    return world;
  };

  test("is this one's if the program reads on and says no more: it calls every request by one number", () => {
    const { notes, clock, link, end } = answered(startedRelay({ requestId: 3 }));
    expect(notes).toContain("probe");
    link.isAllRead = false;
    clock.advance(200);
    expect(end()).toBeUndefined();
    link.isAllRead = true;
    clock.advance(19);
    expect(end()).toBeUndefined();
    clock.advance(1);
    expect(notes.at(-1)).toBe("ignored id");
    expect(toldOf(end())).toEqual([
      "unanswered",
      "stale",
      "stale",
      "BACKEND_BROKEN",
      "/x.fcgi (pid 1) answered under another request id than it was given.",
    ]);
  });

  test("was of a child of the program if its own answer follows", () => {
    const { notes, clock, answer, end } = answered(startedRelay({ requestId: 3 }));
    answer(stdout("A: b\n\n", 3));
    clock.advance(1000);
    expect([notes.includes("ignored id"), clock.timers, end()]).toEqual([false, 0, undefined]);
  });

  test("says nothing of a program that is known to go by ids, or that has not got its whole request", () => {
    const known = startedRelay({ requestId: 3 });
    known.backend.conduct.onEcho();
    for (const world of [known, startedRelay({ requestId: 3, hasBody: true })]) {
      expect(answered(world).notes).toEqual(["stale record", "spoil", "stale record", "spoil"]);
    }
  });
});
