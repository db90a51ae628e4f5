import { describe, expect, test } from "bun:test";
import { endOf, renderTable, widthOf } from "../../src/status/table.ts";

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
