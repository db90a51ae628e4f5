import { describe, expect, test } from "bun:test";
import { dashboardPage } from "../../src/admin/dashboard-page.ts";

const hashOf = (text: string) => `'sha256-${new Bun.CryptoHasher("sha256").update(text).digest("base64")}'`;

describe("the dashboard's page", () => {
  const { html, headers } = dashboardPage(true);

  test("stands by itself: nothing in it is loaded from anywhere", () => {
    expect(html).not.toMatch(/https?:/i);
    const links = [...html.matchAll(/\s(?:src|href|srcset|action|poster)\s*=\s*"([^"]*)"/g)].map(
      ([, to]) => to,
    );
    expect(links).toEqual(["data:,", "/status?full", "/status?full", "/status.json?full", "/metrics"]);
    expect(html).not.toMatch(/@import|url\(/);
  });

  test("has one style sheet and one script, those of its policy, and no handlers in attributes", () => {
    const [style, ...styles] = [...html.matchAll(/<style>(.*?)<\/style>/gs)].map(([, text]) => text ?? "");
    const [script, ...scripts] = [...html.matchAll(/<script[^>]*>(.*?)<\/script>/gs)].map(
      ([, text]) => text ?? "",
    );
    expect([styles, scripts]).toEqual([[], []]);
    expect(html.slice(0, html.indexOf("<script"))).not.toMatch(/\son[a-z]+=|\sstyle=/);
    expect(headers["Content-Security-Policy"]).toBe(
      `default-src 'none'; style-src ${hashOf(style ?? "")}; script-src ${hashOf(script ?? "")}; connect-src 'self'; ` +
        "img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    );
  });

  test("puts nothing into the page but text", () => {
    expect(html).not.toMatch(/innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|setHTML/);
  });

  test("says whether one may act, and is the same otherwise", () => {
    const other = dashboardPage(false);
    expect(html).toContain('<html lang="en" data-actions="yes">');
    expect(other.html).toBe(html.replace('data-actions="yes"', 'data-actions="no"'));
    expect(other.headers).toEqual(headers);
  });
});
