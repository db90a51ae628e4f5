import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { escapeHtml, htmlPieces } from "../../src/status/render-html.ts";
import type { Snapshot } from "../../src/status/snapshot.ts";
import { collect } from "../support/collect.ts";
import { sampleSource } from "../support/sample-snapshot.ts";

const renderHtml = (snapshot: Snapshot) => [...htmlPieces(snapshot)].join("");

const hostile = fc.oneof(
  fc.string({ unit: "binary" }),
  fc
    .array(
      fc.constantFrom(
        "<",
        ">",
        "&",
        '"',
        "'",
        "<script>",
        "</h1>",
        "-->",
        "]]>",
        "&lt;",
        " onload=",
        "\0",
        "\n",
      ),
    )
    .map((parts) => parts.join("")),
);

/** The sample with this text wherever a stranger has a say. */
function snapshotWith(text: string): Snapshot {
  const snapshot = collect(sampleSource(), true);
  for (const program of snapshot.programs) {
    program.name = text;
    program.last_error = { code: "BACKEND_BROKEN", message: text, age_seconds: 1 };
    for (const process of program.process_list ?? [])
      process.requests = [{ method: text, uri: text, age_seconds: 1 }];
  }
  return snapshot;
}

/** Every tag of a page with its attributes, as a browser reads it. */
async function tagsOf(html: string): Promise<string[]> {
  const tags: string[] = [];
  const rewriter = new HTMLRewriter().on("*", {
    element({ tagName, attributes }) {
      const more = [...attributes].filter(([name]) => name !== "content").map((pair) => pair.join("="));
      tags.push([tagName, ...more].join(" "));
    },
    comments: ({ text }) => void tags.push(`comment ${text}`),
  });
  await rewriter.transform(new Response(html)).text();
  return tags;
}

describe("text in HTML", () => {
  test("has nothing that begins a tag, ends an attribute or names a character", () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const escaped = escapeHtml(text);
        expect(escaped).not.toMatch(/[<>"']|&(?!(?:amp|lt|gt|quot|#39);)/);
        const back = escaped.replace(/&(?:amp|lt|gt|quot|#39);/g, (entity) => NAMED[entity] ?? "");
        expect(back).toBe(text);
      }),
    );
  });
});

describe("the page", () => {
  test("has the same tags whatever programs, requests and errors are called", async () => {
    const wanted = await tagsOf(renderHtml(snapshotWith("harmless")));
    expect(wanted).toContain("td class=right");
    await fc.assert(
      fc.asyncProperty(hostile, async (text) => {
        expect(await tagsOf(renderHtml(snapshotWith(text)))).toEqual(wanted);
      }),
    );
  });

  test("shows every number of the text, and loads nothing", () => {
    const html = renderHtml(collect(sampleSource(), true));
    expect(html).toContain("<h1>std-fpm 1.2.3, pid 1: running for 1 h 2 m</h1>");
    expect(html).toContain("<td>/srv/we\\ird &quot;name&quot;.fcgi</td>");
    expect(html).toContain("<td>POST /shop/cart (1 s)</td>");
    expect(html).toContain("BACKEND_BROKEN: it said &quot;no&quot;\\x0a\\x1b[31m</p>");
    expect(html).toContain("refused before they came to a program: PROTOCOL 1");
    expect(html).not.toMatch(/src=|href=|url\(|@import/);
  });
});

const NAMED: Record<string, string> = {
  "&amp;": "&",
  "&lt;": "<",
  "&gt;": ">",
  "&quot;": '"',
  "&#39;": "'",
};
