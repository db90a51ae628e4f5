import { expect, test } from "bun:test";
import { chmodSync, copyFileSync, mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { exchange } from "../support/http-exchange.ts";
import { startNginxSite } from "../support/nginx-site.ts";
import { freePort } from "../support/server-process.ts";
import { startStdFpm } from "../support/std-fpm.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { adaptedExample } from "./example-file.ts";

interface ConfigMap {
  readonly data: { readonly "site.conf": string; readonly "std-fpm.toml": string };
}

test("the pod of the Kubernetes example serves, answers its probe and shows the numbers that it is scaled by", async () => {
  using dir = makeTempDir();
  chmodSync(dir.path, 0o755);
  for (const folder of ["www", "nginx"]) mkdirSync(dir.at(folder));
  copyFileSync(resolve("dist/test-programs/lab"), dir.at("www", "lab.fcgi"));
  chmodSync(dir.at("www", "lab.fcgi"), 0o755);
  const [port, metricsPort] = [freePort(), freePort()];
  const yaml = adaptedExample("container/kubernetes.yaml", [
    ["listen 8080;", `listen 127.0.0.1:${port};`],
    ["listen 9090;", `listen 127.0.0.1:${metricsPort};`],
    ["/srv/www", dir.at("www")],
    ["/run/std-fpm/std-fpm.sock", dir.at("run", "std-fpm.sock")],
  ]);
  const [{ data }] = Bun.YAML.parse(yaml) as [ConfigMap];
  const [server = "", app = ""] = data["std-fpm.toml"].split(/^\[\w+\]$/m).slice(1);
  const fpm = await startStdFpm({ folder: dir.path, server, app });
  const nginx = await startNginxSite({ folder: dir.at("nginx"), site: data["site.conf"], port });
  const page = await exchange({ port, path: "/lab.fcgi" });
  expect([page.status, page.text()]).toEqual([200, expect.stringMatching(/^\d+$/)]);
  expect((await exchange({ port: metricsPort, path: "/ping" })).text()).toBe("pong");
  const metrics = await exchange({ port: metricsPort, path: "/metrics" });
  expect(metrics.headers.get("content-type")).toStartWith("text/plain; version=0.0.4");
  const [, query = ""] = /^ +query: >-\n +(.*)$/m.exec(yaml) ?? [];
  const wanted = [...query.matchAll(/\((std_fpm_\w+)/g)].map(([, name]) => name as string);
  expect(wanted).toHaveLength(2);
  for (const name of wanted)
    expect(metrics.text()).toContain(`\n${name}{program="${dir.at("www")}/lab.fcgi"} 0\n`);
  // The site itself does not show them to everybody.
  expect((await exchange({ port, path: "/metrics" })).status).toBe(404);
  await nginx.stop();
  await fpm.stop();
});
