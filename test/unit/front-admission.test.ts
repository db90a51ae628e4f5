import { describe, expect, test } from "bun:test";
import { isClientAddress } from "../../src/config/listen-address.ts";
import { Admission } from "../../src/front/admission.ts";
import type { FrontSocket } from "../../src/front/connection.ts";
import { socketPair } from "../support/socket-pair.ts";

const from = (remoteAddress: string) => ({ remoteAddress }) as FrontSocket;

describe("who may connect over TCP", () => {
  const admission = new Admission(["10.1.2.3", "192.168.0.0/24", "fd00::/8", "::1"], []);

  test.each(["10.1.2.3", "192.168.0.0", "192.168.0.255", "fdff::1", "::1", "::ffff:10.1.2.3"])(
    "%s may",
    (address) => {
      expect(admission.refusal(from(address), false)).toBeUndefined();
    },
  );

  test.each(["10.1.2.4", "192.167.255.255", "192.168.1.0", "fe00::1", "::2", "::ffff:10.1.2.4", ""])(
    "%s may not",
    (address) => {
      expect(admission.refusal(from(address), false)).toContain("is not in allowed_clients");
    },
  );

  test("is anybody with an empty list", () => {
    expect(new Admission([], []).refusal(from("8.8.8.8"), false)).toBeUndefined();
  });
});

describe("who may connect over a Unix socket", () => {
  test("is anybody with an empty list, and our own user always", () => {
    using pair = socketPair();
    const own = { fd: pair.fd } as FrontSocket;
    for (const users of [[], [12_345]]) expect(new Admission([], users).refusal(own, true)).toBeUndefined();
    expect(new Admission(["10.0.0.1"], []).refusal(own, true)).toBeUndefined();
  });

  test("is not somebody of whom the kernel does not tell who it is", () => {
    const unknown = { fd: -1 } as FrontSocket;
    expect(new Admission([], [12_345]).refusal(unknown, true)).toBe("user undefined is not in allowed_users");
    expect(new Admission([], []).refusal(unknown, true)).toBeUndefined();
  });
});

test.each([
  ["10.0.0.1", true],
  ["10.0.0.0/0", true],
  ["10.0.0.0/32", true],
  ["10.0.0.0/33", false],
  ["fd00::/128", true],
  ["fd00::/129", false],
  ["10.0.0", false],
  ["10.0.0.0/8/8", false],
  ["10.0.0.0/", false],
  ["10.0.0.0/-1", false],
  ["localhost", false],
  ["", false],
])("%j as an address in allowed_clients: %p", (text, isRight) => {
  expect(isClientAddress(text)).toBe(isRight);
});
