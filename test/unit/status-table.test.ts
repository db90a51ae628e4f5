import { describe, expect, test } from "bun:test";
import { endOf, renderTable, startOf, widthOf, wrapped } from "../../src/status/table.ts";

describe("the end of a text", () => {
  test("is the whole text where it fits, and as much of it as fits after a sign for the rest", () => {
    const cuts = [6, 5, 4, 3, 2].map((places) => endOf("abcdef", places));
    expect(cuts).toEqual(["abcdef", "…cdef", "…def", "…ef", "…f"]);
  });

  test("takes no part of a wide character, and leaves a text alone where there is no room at all", () => {
    expect([endOf("漢字漢字", 8), endOf("漢字漢字", 5), endOf("漢字漢字", 4), endOf("漢字漢字", 3)]).toEqual([
      "漢字漢字",
      "…漢字",
      "…字",
      "…字",
    ]);
    expect([endOf("abc", 1), endOf("abc", 0)]).toEqual(["abc", "abc"]);
  });
});

describe("the width of a text", () => {
  test("is what its characters take in a terminal", () => {
    expect(["", "abc", "ä", "漢字", "a\u0301", "e漢"].map(widthOf)).toEqual([0, 3, 1, 4, 1, 3]);
  });
});

describe("a table", () => {
  test("is as wide as its widest cells, its numbers at the right, nothing at the end of a line", () => {
    const lines = renderTable(
      [
        { head: "N", align: "right", minWidth: 3 },
        { head: "NAME", align: "left" },
        { head: "WORD", align: "left" },
      ],
      [
        ["1", "a", "x"],
        ["1234", "long name", ""],
      ],
    );
    expect(lines).toEqual(["   N  NAME       WORD", "   1  a          x", "1234  long name"]);
  });
});

test("a text in lines breaks between words, and within those that are too long", () => {
  expect(wrapped("one two three", 9)).toEqual(["one two", "  three"]);
  expect(wrapped("one two", 7)).toEqual(["one two"]);
  expect(wrapped("abcdefghij k", 6, " ")).toEqual([" abcde", "   fgh", "   ij", "   k"]);
  expect(wrapped("漢字漢字", 5)).toEqual(["漢字", "  漢", "  字"]);
  expect(wrapped("", 5)).toEqual([""]);
});

test("the beginning of a text is kept with what is in parentheses at its end", () => {
  expect(startOf("GET /a/long/path (1 s)", 14)).toBe("GET /a/l… (1 s)".replace("/l", "/"));
  expect(startOf("GET /a (1 s)", 12)).toBe("GET /a (1 s)");
  expect(startOf("GET /a (1 s)", 5)).toBe("GET …");
});
