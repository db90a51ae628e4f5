import { encodeHead } from "../../src/fcgi/encoder.ts";
import { RequestHead } from "../../src/fcgi/head.ts";
import { encodeParams } from "../../src/fcgi/params.ts";
import type { Route } from "../../src/route/path-router.ts";
import { Router } from "../../src/route/router.ts";
import { appConfig } from "./app-config.ts";
import { routerDisk } from "./fake-disk.ts";

export type Params = Record<string, string>;

/** The head of a request with these parameters. */
export function headOf(params: Params): RequestHead {
  return new RequestHead(encodeHead(1, 1, false, encodeParams(Object.entries(params))));
}

/** A router for whose files see `diskOf`. */
export function routerFor(disk: Params, app = appConfig({})): Router {
  return new Router(() => app, routerDisk(disk));
}

/** Where a request goes. */
export async function route(disk: Params, params: Params, app = appConfig({})): Promise<Route> {
  return await routerFor(disk, app).route(headOf(params));
}

/** Why a request goes nowhere: code and message. */
export async function refusal(disk: Params, params: Params, app = appConfig({})): Promise<string> {
  const error = await route(disk, params, app).then(
    () => undefined,
    (thrown) => thrown,
  );
  return `${error?.code} ${error?.message}`;
}
