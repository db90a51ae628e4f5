/** Where a member of a `Roster` stands; only the roster changes it. */
export interface Rostered {
  rosterAt: number;
}

/** Where one stands that is in no roster. */
export const NOWHERE = -1;

/**
 * Members in no order, each in one roster at most, who come and go all the time: to add or take one out costs a few assignments. In a Set it would
 * cost more than that: it makes a new table every few changes, and where the runtime's collector has taken one of them for old, this keeps all
 * tables after it, with what stood in them, until the whole heap is looked at (JavaScriptCore, Bun 1.4.5).
 */
export class Roster<Member extends Rostered> {
  readonly #members: Member[] = [];

  get size(): number {
    return this.#members.length;
  }

  /** All of them, as they are now. */
  get members(): readonly Member[] {
    return this.#members.slice();
  }

  /** It must be in none. */
  add(member: Member): void {
    member.rosterAt = this.#members.length;
    this.#members.push(member);
  }

  /** False when it is in none. It must not be in another one. */
  remove(member: Member): boolean {
    const at = member.rosterAt;
    if (at === NOWHERE) return false;
    const last = this.#members.pop() as Member;
    if (last !== member) {
      this.#members[at] = last;
      last.rosterAt = at;
    }
    member.rosterAt = NOWHERE;
    return true;
  }
}
