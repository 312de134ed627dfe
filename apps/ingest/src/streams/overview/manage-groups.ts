import { DomainError } from "@payflow/contracts/errors.ts";
import type { GroupRegistry, RegisteredGroup } from "../registry.ts";

export interface ManageGroups {
  readonly registry: GroupRegistry;
}

type ShownGroup = Pick<RegisteredGroup, "group" | "kind" | "state">;

/**
 * Registers a group of a program that is not ours. Throws `invalid_state` for the name of one that is ours.
 */
export async function registerOutside(
  { registry }: ManageGroups,
  group: string,
  start: "oldest" | "newest" = "oldest",
): Promise<ShownGroup> {
  const known = (await registry.list()).find((one) => one.group === group);
  if (known !== undefined && known.kind !== "outside") {
    throw new DomainError("invalid_state", `${group} is the group of an exporter: take another name.`);
  }
  await registry.register(group, "outside", start === "newest" ? "$" : "0");
  return { group, kind: "outside", state: "active" };
}

/** Drains or removes a group. Throws `not_found`. */
export async function changeGroup(
  { registry }: ManageGroups,
  group: string,
  change: "drain" | "deregister",
): Promise<ShownGroup> {
  const known = (await registry.list()).find((one) => one.group === group);
  if (known === undefined) throw new DomainError("not_found");
  await registry[change](group);
  return { group, kind: known.kind, state: change === "drain" ? "draining" : "removed" };
}
