#!/usr/bin/env bun
// Shows what the web server says about the request.
import { serve } from "./fastcgi.ts";

serve((_request, params) => {
  const lines = [...params].map(([name, value]) => `${name}=${value}\n`);
  return new Response(lines.join(""), { headers: { "Content-Type": "text/plain; charset=utf-8" } });
});
