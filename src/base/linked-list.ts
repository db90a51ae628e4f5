/** Where a member of a `LinkedList` stands; only the list changes it. */
export interface Linked<Member> {
  previous: Member | undefined;
  next: Member | undefined;
}

/** Members in the order they came, each in one list at most: to add one or take any out costs a few assignments and allocates nothing. */
export class LinkedList<Member extends Linked<Member>> {
  #first: Member | undefined;
  #last: Member | undefined;

  get first(): Member | undefined {
    return this.#first;
  }

  get last(): Member | undefined {
    return this.#last;
  }

  /** The first of them, so many at the most, as they stand now: it may be changed while they are gone through. */
  members(most = Number.POSITIVE_INFINITY): Member[] {
    const members: Member[] = [];
    for (let each = this.#first; each && members.length < most; each = each.next) members.push(each);
    return members;
  }

  /** At the end. It must be in no list. */
  push(member: Member): void {
    this.insertAfter(this.#last, member);
  }

  /** Behind one that is in the list; with undefined at the beginning. It must be in no list. */
  insertAfter(previous: Member | undefined, member: Member): void {
    const next = previous ? previous.next : this.#first;
    member.previous = previous;
    member.next = next;
    if (previous) previous.next = member;
    else this.#first = member;
    if (next) next.previous = member;
    else this.#last = member;
  }

  /** False when it is in no list. It must not be in another one. */
  remove(member: Member): boolean {
    const { previous, next } = member;
    if (!previous && this.#first !== member) return false;
    if (previous) previous.next = next;
    else this.#first = next;
    if (next) next.previous = previous;
    else this.#last = previous;
    member.previous = undefined;
    member.next = undefined;
    return true;
  }
}
