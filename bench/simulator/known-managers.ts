import type { Manager, Ruler } from "./manager.ts";
import type { SimulatedPool } from "./simulated-pool.ts";
import type { World } from "./simulated-process.ts";

const MAX_CHILDREN = 50;
const ONDEMAND_IDLE_MS = 10_000;
const IDLE_TIMEOUT_MS = 180_000;
const DYNAMIC = { start: 2, minSpare: 1, maxSpare: 3, maxSpawnRate: 32 };

/** A process for every request that finds none free; an idle one ends after three minutes. */
export const spawnAtOnce: Manager = {
  name: "spawn at once",
  begin: (world) =>
    ruler({
      onChange: (pool) => pool.start(Math.max(0, pool.queue.size - pool.starting)),
      onSecond: (pool) => {
        while (idlestMs(pool, world) >= IDLE_TIMEOUT_MS) pool.stopIdlest();
      },
    }),
};

/** php-fpm's pm = ondemand: the same up to max_children; one that is idle for 10 s ends, one a second. */
export const ondemand: Manager = {
  name: "fpm ondemand",
  begin: (world) =>
    ruler({
      onChange: (pool) => {
        const wanted = pool.queue.size - pool.starting;
        pool.start(Math.max(0, Math.min(wanted, MAX_CHILDREN - pool.processes.size)));
      },
      onSecond: (pool) => {
        if (idlestMs(pool, world) >= ONDEMAND_IDLE_MS) pool.stopIdlest();
      },
    }),
};

/**
 * php-fpm's pm = dynamic, as fpm_process_ctl.c decides once a second, with the spare servers of its example and room for
 * more children. A process that boots counts as spare here: php-fpm's own boot so fast that it makes no difference.
 */
export const dynamic: Manager = {
  name: "fpm dynamic",
  begin: () => {
    const rates = new Map<SimulatedPool, number>();
    return ruler({
      onBegin: (pool) => pool.start(DYNAMIC.start),
      onSecond: (pool) => {
        const rate = rates.get(pool) ?? 1;
        rates.set(pool, 1);
        const spare = pool.idle.length + pool.starting;
        if (pool.idle.length > DYNAMIC.maxSpare) {
          pool.stopIdlest();
          return;
        }
        const free = MAX_CHILDREN - pool.processes.size;
        if (spare >= DYNAMIC.minSpare || free <= 0) return;
        pool.start(Math.min(rate, DYNAMIC.minSpare - spare, free));
        rates.set(pool, rate < DYNAMIC.maxSpawnRate ? rate * 2 : rate);
      },
    });
  },
};

/** A fixed number of processes from the beginning: pm = static, spawn-fcgi -F. */
export function fixed(count: number): Manager {
  return {
    name: `fixed ${count}`,
    begin: () => ruler({ onBegin: (pool) => pool.start(count) }),
  };
}

function ruler(acts: Partial<Ruler>): Ruler {
  const nothing = () => {};
  return {
    onBegin: nothing,
    onChange: nothing,
    onSecond: nothing,
    onReady: nothing,
    onServed: nothing,
    onGone: nothing,
    ...acts,
  };
}

function idlestMs(pool: SimulatedPool, world: World): number {
  const idlest = pool.idle[0];
  return idlest ? world.now - idlest.idleSince : -1;
}
