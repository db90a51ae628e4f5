import { expect, test } from "bun:test";
import type { ServerConfig } from "../../src/config/config.ts";
import { limitsOf } from "../../src/daemon/limits.ts";

test("what is buffered has a limit of its own, also where none is set", () => {
  expect(limitsOf({ bufferLimitBytes: 1234 } as ServerConfig, 1024).bufferLimitBytes).toBe(1234);
  const { bufferLimitBytes } = limitsOf({ bufferLimitBytes: 0 } as ServerConfig, 1024);
  expect(bufferLimitBytes).toBeGreaterThanOrEqual(64 * 1024 * 1024);
  expect(bufferLimitBytes).toBeLessThanOrEqual(4 * 1024 * 1024 * 1024);
});

const limits = (maxProcesses: number, maxConnections: number, descriptors: number) =>
  limitsOf({ maxProcesses, maxConnections } as ServerConfig, descriptors);

test("connections get what processes leave of the descriptors", () => {
  expect(limits(100, 0, 1024).maxConnections).toBe(1024 - 64 - 400);
  expect(limits(100, 560, 1024).maxConnections).toBe(560);
  expect(limits(100, 561, 1024).maxConnections).toBe(560);
});

test("processes get no more descriptors than the connections that are asked for leave, but 64 in any case", () => {
  expect(limits(0, 560, 1024).maxProcesses).toBeLessThanOrEqual(100);
  expect(limits(0, 900, 1024)).toMatchObject({ maxProcesses: 64, maxConnections: 1024 - 64 - 256 });
});

test("however few descriptors there are, some connections are served", () => {
  expect(limits(0, 0, 128)).toMatchObject({ maxProcesses: 64, maxConnections: 16 });
  expect(limits(0, 5, 128).maxConnections).toBe(5);
});
