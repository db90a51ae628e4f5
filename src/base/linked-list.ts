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

  /** It must be in no list. */
  push(member: Member): void {
    member.previous = this.#last;
    if (this.#last) this.#last.next = member;
    else this.#first = member;
    this.#last = member;
  }

  /** Does nothing when it is not in the list. */
  remove(member: Member): void {
    const { previous, next } = member;
    if (!previous && this.#first !== member) return;
    if (previous) previous.next = next;
    else this.#first = next;
    if (next) next.previous = previous;
    else this.#last = previous;
    member.previous = undefined;
    member.next = undefined;
  }
}
