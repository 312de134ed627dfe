import { consumerGroups, type Topic, topics } from "@payflow/contracts/events.ts";
import type { Subscription } from "./bus.ts";

/** The topics a declared group reads; throws for any other name. */
export function topicsOfGroup(group: string): readonly Topic[] {
  const declared = Object.entries(consumerGroups).find(([name]) => name === group);
  if (declared === undefined) throw new Error(`no consumer group is called ${group}`);
  return declared[1].topics;
}

/** Throws for a subscription to what its group is not declared for. */
export function assertDeclared({ group, topics: wanted }: Subscription): void {
  const declared = topicsOfGroup(group);
  const foreign = wanted.filter((topic) => !declared.includes(topic));
  if (foreign.length > 0) throw new Error(`group ${group} is not declared for ${foreign.join(", ")}`);
}

/** Whether the text names a topic. */
export function isTopic(name: string): name is Topic {
  return topics.some((topic) => topic === name);
}
