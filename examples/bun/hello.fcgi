#!/usr/bin/env bun
// The smallest program with fastcgi.ts.
import { serve } from "./fastcgi.ts";

let count = 0;

serve(() => {
  const headers = { "Content-Type": "text/plain; charset=utf-8" };
  return new Response(`Hello from Bun! This process has answered ${++count} requests.\n`, { headers });
});
