import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dir, "../..");
const read = (name: string) => readFileSync(join(root, "examples/container", name), "utf8");

// There is no Docker and no cluster where the tests run: what is looked at is the form.

describe("kubernetes.yaml", () => {
  test("is YAML, and every document says what it is", () => {
    const documents = Bun.YAML.parse(read("kubernetes.yaml")) as { apiVersion?: string; kind?: string }[];
    expect(documents.map(({ apiVersion, kind }) => `${apiVersion} ${kind}`)).toEqual([
      "apps/v1 Deployment",
      "autoscaling/v2 HorizontalPodAutoscaler",
    ]);
  });

  test("gives std-fpm longer to end than its own timeouts", () => {
    expect(Number(/terminationGracePeriodSeconds: (\d+)/.exec(read("kubernetes.yaml"))?.[1])).toBeGreaterThan(
      40,
    );
  });
});

describe("the Dockerfile", () => {
  const lines = read("Dockerfile").replaceAll("\\\n", " ").split("\n");
  const instructions = lines.filter((line) => line !== "" && !line.startsWith("#"));

  test("has instructions that Docker knows, FROM first", () => {
    const names = instructions.map((line) => line.split(" ")[0] ?? "");
    expect(names[0]).toBe("FROM");
    const known = ["FROM", "RUN", "COPY", "EXPOSE", "STOPSIGNAL", "CMD"];
    expect(names.filter((name) => !known.includes(name))).toEqual([]);
  });

  test("copies what there is", () => {
    const sources = instructions
      .filter((line) => line.startsWith("COPY "))
      .map((line) => line.split(" ")[1] ?? "");
    expect(sources.filter((source) => source !== "dist/std-fpm" && !existsSync(join(root, source)))).toEqual(
      [],
    );
  });
});
