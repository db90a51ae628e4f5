/** A column of a table: its head, and where its cells stand. */
export interface Column {
  readonly head: string;
  readonly align: "left" | "right";
  /** It is this wide at least. */
  readonly minWidth?: number;
}

/** A table as lines of text, its columns as wide as they must be. No space at the end of a line. */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const widths = columns.map(({ head, minWidth = 0 }, index) => {
    return Math.max(head.length, minWidth, ...rows.map((row) => (row[index] ?? "").length));
  });
  const line = (cells: readonly string[]) =>
    columns
      .map(({ align }, index) => {
        const [cell, width] = [cells[index] ?? "", widths[index] ?? 0];
        return align === "left" ? cell.padEnd(width) : cell.padStart(width);
      })
      .join("  ")
      .trimEnd();
  return [line(columns.map(({ head }) => head)), ...rows.map(line)];
}
