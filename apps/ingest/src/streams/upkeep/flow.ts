import { groupLag, type PartitionState } from "@payflow/service-kit/streams/lag.ts";

/** What a reading counts for against those before it. */
const weight = 0.3;

/** How fast events are stored, and how fast the slowest group is done with them, in events a second. */
export class Flow {
  #last: { readonly at: number; readonly added: number; readonly done: number } | null = null;
  #stored = 0;
  #drained = 0;

  get storedPerSecond(): number {
    return this.#stored;
  }

  get drainedPerSecond(): number {
    return this.#drained;
  }

  /** Takes over a reading of the streams at a time in milliseconds. */
  pass(states: readonly PartitionState[], groups: readonly string[], at: number): void {
    const added = states.reduce((sum, state) => sum + state.added, 0);
    const unread = Math.max(0, ...groups.map((group) => groupLag(states, group).events));
    const now = { at, added, done: added - unread };
    const last = this.#last;
    this.#last = now;
    if (last === null || at <= last.at) return;
    const perSecond = (difference: number) => (Math.max(difference, 0) / (at - last.at)) * 1_000;
    this.#stored += weight * (perSecond(now.added - last.added) - this.#stored);
    this.#drained += weight * (perSecond(now.done - last.done) - this.#drained);
  }
}
