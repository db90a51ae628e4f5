import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { byNeed, idlestOf, reserveOf, type Sharer, Sharing } from "../../src/pool/sharing.ts";

const NEVER = Number.POSITIVE_INFINITY;

/** A program of which a test says what it has. */
class Program implements Sharer {
  idle: number[] = [];
  busy = 0;
  stopping = 0;
  kept = 0;
  wanted = 0;
  waitingSince = 0;
  started = 0;
  heldBack = 0;
  /** Of the busy ones, those that nobody has waited for since long. */
  lone = 0;
  cannotStart = false;

  constructor(
    facts: Partial<Pick<Program, "idle" | "busy" | "stopping" | "kept" | "wanted" | "waitingSince">>,
  ) {
    Object.assign(this, facts);
  }

  get size(): number {
    return this.living + this.stopping;
  }

  get living(): number {
    return this.idle.length + this.busy;
  }

  get idleSince(): number | undefined {
    return this.idle[0];
  }

  start(): void {
    this.started++;
    this.wanted = this.cannotStart ? 0 : this.wanted - 1;
    if (!this.cannotStart) this.busy++;
  }

  giveUpIdlest(): void {
    this.idle.shift();
    this.stopping++;
  }

  onHeldBack(): void {
    this.heldBack++;
  }

  giveUpLoneliest(): boolean {
    if (this.lone === 0) return false;
    this.lone--;
    this.busy--;
    this.stopping++;
    return true;
  }
}

function sharing(cap: number, programs: readonly Program[]): Sharing<Program> {
  const all = new Sharing<Program>(cap);
  all.hasOthers = programs.length > 1;
  for (const program of programs) all.note(program);
  return all;
}

describe("what a program leaves to the others", () => {
  const reserve = (living: number, changes = {}) =>
    reserveOf({ living, kept: 0, cap: 64, hasOthers: true, ...changes });

  test("is nothing while it has no process, or fewer than it keeps", () => {
    expect(reserve(0)).toBe(0);
    expect(reserve(4, { kept: 5 })).toBe(0);
    expect(reserve(5, { kept: 5 })).toBe(4);
  });

  test("is a sixteenth of the cap, and a place for every three processes", () => {
    expect([reserve(1), reserve(14), reserve(15), reserve(48)]).toEqual([4, 4, 5, 16]);
    expect(reserve(1, { cap: 31 })).toBe(1);
    expect(reserve(1, { cap: 32 })).toBe(2);
  });

  test("is one place at the least, but nothing of a small cap while no other program is known", () => {
    expect(reserve(1, { cap: 2 })).toBe(1);
    expect(reserve(15, { cap: 15, hasOthers: false })).toBe(0);
    expect(reserve(48, { hasOthers: false })).toBe(4);
  });

  test("leaves a place to a newcomer, whatever the cap and however many ask for ever, up to a sixteenth of the cap", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 600 }), fc.integer({ min: 1, max: 40 }), (cap, count) => {
        fc.pre(count <= Math.max(1, Math.floor(cap / 16)));
        const greedy = Array.from({ length: count }, () => new Program({ wanted: 1000 }));
        const newcomer = new Program({});
        const all = sharing(cap, [...greedy, newcomer]);
        while (all.giveOut(0) === 0);
        newcomer.wanted = 1;
        all.note(newcomer);
        all.giveOut(0);
        expect(newcomer.living).toBe(1);
      }),
    );
  });
});

describe("whose process is the idlest", () => {
  test("is a matter of time, not of size", () => {
    const [late, early] = [new Program({ idle: [50], busy: 30 }), new Program({ idle: [40, 60] })];
    expect(idlestOf([late, early])).toBe(early);
    expect(idlestOf([late, new Program({ busy: 3 })])).toBe(late);
    expect(idlestOf([new Program({ busy: 3 })])).toBeUndefined();
  });

  test("does not count what is kept", () => {
    expect(idlestOf([new Program({ idle: [1, 2], kept: 2 })])).toBeUndefined();
    const more = new Program({ idle: [1, 2, 3], kept: 2 });
    expect(idlestOf([more])).toBe(more);
  });
});

describe("room", () => {
  test("goes to programs without a process first, then to the smallest, then to the one that waits longest", () => {
    const [large, late] = [
      { living: 5, waitingSince: 1 },
      { living: 1, waitingSince: 9 },
    ];
    const early = { living: 1, waitingSince: 5 };
    expect([large, late, early].sort(byNeed)).toEqual([early, late, large]);
    const grown = new Program({ busy: 1, wanted: 1, waitingSince: 0 });
    const fresh = new Program({ wanted: 1, waitingSince: 9 });
    sharing(2, [grown, fresh]).giveOut(0);
    expect([grown.started, fresh.started]).toEqual([0, 1]);
  });

  test("is given out one each in turn, as many as one turn is for", () => {
    const programs = [4, 2, 1].map((wanted) => new Program({ wanted }));
    const all = sharing(100, programs);
    expect(all.giveOut(0)).toBe(0);
    expect(programs.map(({ started }) => started)).toEqual([2, 1, 1]);
    expect(all.giveOut(0)).toBe(NEVER);
    expect(programs.map(({ started }) => started)).toEqual([4, 2, 1]);
    expect([all.total, all.room]).toEqual([7, 93]);
  });

  test("never goes above the cap, whatever is wanted", () => {
    const wants = fc.array(fc.record({ wanted: fc.nat(30), busy: fc.nat(5), kept: fc.nat(3) }), {
      maxLength: 20,
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 64 }), wants, (cap, each) => {
        const programs = each.map((facts) => new Program(facts));
        const before = programs.reduce((sum, { size }) => sum + size, 0);
        const all = sharing(cap, programs);
        while (all.giveOut(0) === 0);
        expect(all.total).toBe(programs.reduce((sum, { size }) => sum + size, 0));
        expect(all.total).toBeLessThanOrEqual(Math.max(cap, before));
      }),
    );
  });

  test("is no longer asked for by a program that cannot be started", () => {
    const broken = new Program({ wanted: 3 });
    broken.cannotStart = true;
    expect(sharing(10, [broken]).giveOut(0)).toBe(NEVER);
    expect(broken.started).toBe(1);
  });

  test("that is missing is told to those who want it, and to no other", () => {
    const [needy, content] = [new Program({ wanted: 1 }), new Program({ busy: 2 })];
    sharing(2, [needy, content]).giveOut(0);
    expect([needy.heldBack, content.heldBack]).toEqual([1, 0]);
  });

  test("is there for one program and not for another: it depends on what it has", () => {
    const [large, fresh] = [new Program({ busy: 6 }), new Program({})];
    const all = sharing(8, [large, fresh]);
    expect([all.roomFor(large), all.roomFor(fresh)]).toEqual([0, 2]);
  });
});

describe("at the cap of all programs", () => {
  test("the process that is idle longest goes for one that has none, however short it was idle", () => {
    const [idle, needy] = [new Program({ idle: [999] }), new Program({ wanted: 1 })];
    const all = sharing(1, [idle, needy]);
    expect(all.giveOut(1000)).toBe(NEVER);
    expect([idle.stopping, needy.started]).toEqual([1, 0]);
    idle.stopping = 0;
    all.note(idle);
    all.giveOut(1000);
    expect(needy.started).toBe(1);
  });

  test("for one that has some only a process goes that was not used for a second, and it is asked again then", () => {
    const [idle, needy] = [new Program({ idle: [0], busy: 1 }), new Program({ busy: 1, wanted: 1 })];
    const all = sharing(3, [idle, needy]);
    expect(all.giveOut(900)).toBe(100);
    expect(idle.stopping).toBe(0);
    all.giveOut(1000);
    expect(idle.stopping).toBe(1);
  });

  test("where none is idle one goes that nobody waits for", () => {
    const [idle, left] = [new Program({ idle: [0] }), new Program({ busy: 2 })];
    left.lone = 2;
    const needy = [1, 2].map(() => new Program({ wanted: 1 }));
    sharing(3, [idle, left, ...needy]).giveOut(5000);
    expect([idle.stopping, left.stopping]).toEqual([1, 1]);
  });

  test("is asked again in a second while somebody waits, though nothing happens", () => {
    const [busy, needy] = [new Program({ busy: 1 }), new Program({ wanted: 1 })];
    const all = sharing(1, [busy, needy]);
    expect(all.giveOut(5000)).toBe(1000);
    needy.wanted = 0;
    all.note(needy);
    expect(all.giveOut(5000)).toBe(NEVER);
  });

  test("no more are told to end than are needed beside those that leave already", () => {
    const idle = new Program({ idle: [1, 2, 3, 4], stopping: 1 });
    const needy = [1, 2, 3].map(() => new Program({ wanted: 1 }));
    const all = sharing(5, [idle, ...needy]);
    for (let i = 0; i < 3; i++) all.giveOut(5000);
    expect(idle.stopping).toBe(3);
  });

  test("no more are told to end in one turn than it is for", () => {
    const idle = new Program({ idle: Array.from({ length: 40 }, (_, at) => at) });
    const needy = Array.from({ length: 40 }, () => new Program({ wanted: 1 }));
    const all = sharing(40, [idle, ...needy]);
    expect(all.giveOut(5000)).toBe(0);
    expect(idle.stopping).toBe(32);
    all.giveOut(5000);
    expect(idle.stopping).toBe(40);
  });

  test("a sixteenth of it is kept free at the cost of those not used for a second", () => {
    const idle = new Program({ idle: Array.from({ length: 64 }, (_, at) => at * 100) });
    const all = sharing(64, [idle]);
    all.giveOut(1100);
    expect(idle.stopping).toBe(2);
    idle.idle = Array.from({ length: 62 }, () => 0);
    all.giveOut(2100);
    expect(idle.stopping).toBe(4);
  });

  test("a lower one has the surplus go: the idle at once, the others when they are free", () => {
    const program = new Program({ idle: [1], busy: 3 });
    const all = sharing(4, [program]);
    all.cap = 2;
    all.giveOut(2);
    expect(program.stopping).toBe(1);
    expect([all.mustGiveUp(program), all.mustGiveUp(program)]).toEqual([true, false]);
  });
});

describe("a process that becomes free", () => {
  const hog = () => new Program({ busy: 4 });

  test("is given up by a program with at least two more than the one in need, once", () => {
    const [large, small, needy] = [hog(), new Program({ busy: 1 }), new Program({ wanted: 1 })];
    const all = sharing(5, [large, small, needy]);
    all.giveOut(0);
    expect([all.mustGiveUp(small), all.mustGiveUp(large), all.mustGiveUp(large)]).toEqual([
      false,
      true,
      false,
    ]);
  });

  test("is not given up below what its program keeps", () => {
    const [large, needy] = [hog(), new Program({ wanted: 1 })];
    large.kept = 4;
    const all = sharing(4, [large, needy]);
    all.giveOut(0);
    expect(all.mustGiveUp(large)).toBe(false);
    large.kept = 3;
    expect(all.mustGiveUp(large)).toBe(true);
  });

  test("stays when the need has ended meanwhile", () => {
    const [large, needy] = [hog(), new Program({ wanted: 1 })];
    const all = sharing(4, [large, needy]);
    all.giveOut(0);
    needy.wanted = 0;
    expect(all.mustGiveUp(large)).toBe(false);
  });

  test("stays when another process of its program has ended instead", () => {
    const [large, needy] = [hog(), new Program({ wanted: 1 })];
    const all = sharing(4, [large, needy]);
    all.giveOut(0);
    large.busy--;
    all.note(large);
    all.giveOut(0);
    expect([needy.started, all.mustGiveUp(large)]).toEqual([1, false]);
  });

  test("stays when a program whose requests do not end is not the only one that could give up", () => {
    const [stuck, other, needy] = [
      new Program({ busy: 6 }),
      new Program({ busy: 2 }),
      new Program({ wanted: 1 }),
    ];
    const all = sharing(8, [stuck, other, needy]);
    all.giveOut(0);
    expect(all.mustGiveUp(other)).toBe(true);
  });
});
