import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ScaledObject } from "@kubernetes-models/keda/keda.sh/v1alpha1";
import { validate } from "dockerfile-utils";
import { Deployment } from "kubernetes-models/apps/v1";
import { ConfigMap } from "kubernetes-models/v1";

const root = join(import.meta.dir, "../..");
const read = (name: string) => readFileSync(join(root, "examples/container", name), "utf8");

// There is no Docker and no cluster where the tests run: what is looked at is the form.

describe("kubernetes.yaml", () => {
  const kinds = [
    ["v1 ConfigMap", ConfigMap],
    ["apps/v1 Deployment", Deployment],
    ["keda.sh/v1alpha1 ScaledObject", ScaledObject],
  ] as const;
  const documents = Bun.YAML.parse(read("kubernetes.yaml")) as { apiVersion: string; kind: string }[];

  test("has documents of these kinds", () => {
    expect(documents.map(({ apiVersion, kind }) => `${apiVersion} ${kind}`)).toEqual(
      kinds.map(([name]) => name),
    );
  });

  test.each(kinds.map(([name, Model], index) => [name, Model, index] as const))(
    "has a %s as the API describes it",
    (_name, Model, index) => {
      const model = new Model(documents[index] as never);
      expect(() => model.validate()).not.toThrow();
    },
  );

  test("gives std-fpm longer to end than its own timeouts", () => {
    expect(Number(/terminationGracePeriodSeconds: (\d+)/.exec(read("kubernetes.yaml"))?.[1])).toBeGreaterThan(
      40,
    );
  });
});

describe("the Dockerfile", () => {
  const lines = read("Dockerfile").replaceAll("\\\n", " ").split("\n");

  test("is one", () => {
    expect(validate(read("Dockerfile"))).toEqual([]);
  });

  test("copies what there is", () => {
    const sources = lines.filter((line) => line.startsWith("COPY ")).map((line) => line.split(" ")[1] ?? "");
    expect(sources.length).toBeGreaterThan(0);
    expect(sources.filter((source) => source !== "dist/std-fpm" && !existsSync(join(root, source)))).toEqual(
      [],
    );
  });
});
