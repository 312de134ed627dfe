import { consumerGroups, type Topic, topics } from "@payflow/contracts/events.ts";
import { compareEntryIds } from "../store/entry-id.ts";

/*
 * A dead letter's id is `<topic>/<milliseconds>-<number>`: when it was written by the broker's clock, and a
 * number that grows within its topic.
 */

/** Whether the text has the form of a letter's id. */
export function isLetterId(id: string): boolean {
  return /^[a-z.]+\/\d{1,15}-\d{1,15}$/.test(id);
}

/** What stands after the topic. */
export function entryOfLetter(id: string): string {
  return id.slice(id.indexOf("/") + 1);
}

/** What stands before it. */
export function topicOfLetter(id: string): string {
  return id.slice(0, id.indexOf("/"));
}

/** Orders by time, then number, then topic. */
export function compareLetterIds(left: string, right: string): number {
  return (
    compareEntryIds(entryOfLetter(left), entryOfLetter(right)) || (left < right ? -1 : left > right ? 1 : 0)
  );
}

/** The topics whose letters may be the group's. */
export function topicsOfLetters(group: string, topic: Topic | undefined): readonly Topic[] {
  if (topic !== undefined) return [topic];
  return Object.entries(consumerGroups).find(([name]) => name === group)?.[1].topics ?? topics;
}
