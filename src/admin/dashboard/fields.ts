/** The elements below a root that have a `data-field`, by that name. Looked up once, before others are put among them. */
export class Fields {
  readonly #elements = new Map<string, HTMLElement | SVGElement>();

  constructor(root: Element) {
    for (const element of root.querySelectorAll<HTMLElement>("[data-field]"))
      this.#elements.set(element.dataset["field"] ?? "", element);
  }

  element(name: string): HTMLElement {
    return this.#find(name) as HTMLElement;
  }

  svg(name: string): SVGElement {
    return this.#find(name) as SVGElement;
  }

  /** Shows this text, whatever is in it. */
  text(name: string, text: string): void {
    setText(this.#find(name), text);
  }

  /** Shows this text, and nothing at all when there is none. */
  optional(name: string, text: string | undefined): void {
    this.element(name).hidden = text === undefined;
    this.text(name, text ?? "");
  }

  #find(name: string): Element {
    const element = this.#elements.get(name);
    if (!element) throw new Error(`the page has no field ${name}`);
    return element;
  }
}

/** Changes a text only where it differs: nothing that is selected or read out changes without a reason. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Changes an attribute only where it differs. */
export function setAttribute(element: Element, name: string, value: string): void {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** The element of the page with this id. */
export function byId<Wanted extends HTMLElement = HTMLElement>(id: string): Wanted {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element as Wanted;
}

/** A new copy of the one element in a template. */
export function cloneTemplate(id: string): HTMLElement {
  const content = byId<HTMLTemplateElement>(id).content.firstElementChild;
  if (!content) throw new Error(`#${id} is empty`);
  return content.cloneNode(true) as HTMLElement;
}
