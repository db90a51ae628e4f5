import { describe, expect, test } from "bun:test";
import { encodeHead } from "../../src/fcgi/encoder.ts";
import { RequestHead } from "../../src/fcgi/head.ts";
import { encodeParams } from "../../src/fcgi/params.ts";
import { ScriptMemory } from "../../src/route/script-memory.ts";

function headOf(...scripts: readonly string[]): RequestHead {
  const pairs = scripts.map((script): [string, string] => ["SCRIPT_FILENAME", script]);
  return new RequestHead(encodeHead(1, 1, true, encodeParams([["SCRIPT_NAME", "/x"], ...pairs])));
}

/** Two of one length with the same hash, of which there is one pair among some 80,000. */
function twoAlike(): readonly [string, string] {
  const seen = new Map<number, string>();
  for (let i = 0; i < 1_000_000; i++) {
    const script = `/${Bun.hash(String(i)).toString(16).padStart(16, "0")}`;
    const { scriptHash } = headOf(script);
    const other = seen.get(scriptHash);
    if (other !== undefined) return [other, script];
    seen.set(scriptHash, script);
  }
  return expect.unreachable();
}

describe("what was made of a script's name", () => {
  test("is known for the same bytes, and no others", () => {
    const memory = new ScriptMemory<number>();
    memory.set(headOf("/srv/a\xff.fcgi"), 1);
    memory.set(headOf("/srv/b.fcgi"), 2);
    const found = ["/srv/a\xff.fcgi", "/srv/b.fcgi", "/srv/A\xff.fcgi", "/srv/b.fcg", "/srv/b.fcgi/"].map(
      (script) => memory.get(headOf(script)),
    );
    expect(found).toEqual([1, 2, undefined, undefined, undefined]);
  });

  test("is what was said last", () => {
    const memory = new ScriptMemory<number>();
    memory.set(headOf("/srv/a.fcgi"), 1);
    memory.set(headOf("/srv/a.fcgi"), 2);
    expect(memory.get(headOf("/srv/a.fcgi"))).toBe(2);
  });

  test("is of the last one where the web server sends two", () => {
    const memory = new ScriptMemory<number>();
    memory.set(headOf("/srv/a.fcgi", "/srv/b.fcgi"), 1);
    const found = [["/srv/b.fcgi"], ["/srv/a.fcgi"], ["/srv/b.fcgi", "/srv/a.fcgi"]].map((scripts) =>
      memory.get(headOf(...scripts)),
    );
    expect(found).toEqual([1, undefined, undefined]);
  });

  test("is not taken for another's that has the same hash", () => {
    const [one, other] = twoAlike();
    const memory = new ScriptMemory<number>();
    memory.set(headOf(one), 1);
    expect(memory.get(headOf(other))).toBeUndefined();
    memory.set(headOf(other), 2);
    expect([memory.get(headOf(one)), memory.get(headOf(other))]).toEqual([undefined, 2]);
  });

  test("is forgotten where there is none, and where it is longer than 4096 bytes", () => {
    const memory = new ScriptMemory<number>();
    const scripts = [[], [""], [`/${"x".repeat(4095)}`], [`/${"x".repeat(4096)}`]];
    for (const each of scripts) memory.set(headOf(...each), 1);
    expect(scripts.map((each) => memory.get(headOf(...each)))).toEqual([undefined, undefined, 1, undefined]);
  });

  test("is forgotten when 1024 others have come after it, and with all of them", () => {
    const memory = new ScriptMemory<number>();
    for (let i = 0; i <= 1024; i++) memory.set(headOf(`/srv/${i}.fcgi`), i);
    const found = () => [0, 1, 1024].map((i) => memory.get(headOf(`/srv/${i}.fcgi`)));
    expect(found()).toEqual([undefined, 1, 1024]);
    memory.clear();
    expect(found()).toEqual([undefined, undefined, undefined]);
  });
});
