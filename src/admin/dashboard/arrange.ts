/** Makes these the children of an element, in this order. Who is there and stays in order is not touched, and who has the focus keeps it. */
export function arrange(parent: Element, wanted: readonly Element[]): void {
  const focused = document.activeElement;
  const staying = new Set(wanted);
  for (const child of [...parent.children]) if (!staying.has(child)) child.remove();
  let next = parent.firstElementChild;
  for (const element of wanted) {
    if (element === next) next = next.nextElementSibling;
    else parent.insertBefore(element, next);
  }
  const isLost = focused !== document.activeElement && focused?.isConnected;
  if (isLost && focused instanceof HTMLElement) focused.focus({ preventScroll: true });
}

/** Elements by a key: made when first asked for, dropped when not asked for in a round. */
export class Keyed<Part extends { readonly element: Element }> {
  readonly #create: () => Part;
  #parts = new Map<string, Part>();

  constructor(create: () => Part) {
    this.#create = create;
  }

  /** The part that had this key in the last round. */
  find(key: string): Part | undefined {
    return this.#parts.get(key);
  }

  /** The parts for these keys, in their order. A key that comes twice gets a part of its own each time. */
  round(keys: readonly string[]): Part[] {
    const parts = new Map<string, Part>();
    for (const key of keys) {
      let free = key;
      for (let number = 2; parts.has(free); number++) free = `${key}\n${number}`;
      parts.set(free, this.#parts.get(free) ?? this.#create());
    }
    this.#parts = parts;
    return [...parts.values()];
  }
}
