import { DomainError } from "@payflow/contracts/errors.ts";
import type { GroupRegistry, RegisteredGroup } from "../registry.ts";

export interface ManageGroups {
  readonly registry: GroupRegistry;
}

/** A group after a change. */
export type ShownGroup = Pick<RegisteredGroup, "group" | "kind" | "state">;

/** What PayFlow itself reads by, whether it is there at the moment or not. */
const ownNames = /^(insights|exporter-.*)$/;

/**
 * Registers a group of a program that is not ours. Throws `invalid_state` for the name of one that is ours.
 */
export async function registerOutside(
  { registry }: ManageGroups,
  group: string,
  start: "oldest" | "newest" = "oldest",
): Promise<ShownGroup> {
  const known = (await registry.list()).find((one) => one.group === group);
  if (ownNames.test(group) || (known !== undefined && known.kind !== "outside")) {
    throw new DomainError("invalid_state", `${group} is a group of PayFlow's own: take another name.`);
  }
  await registry.register(group, "outside", start === "newest" ? "$" : "0");
  return { group, kind: "outside", state: "active" };
}

/**
 * Drains or removes a group. Throws `not_found`, and `invalid_state` for an exporter's: without its place it
 * would export everything again.
 */
export async function changeGroup(
  { registry }: ManageGroups,
  group: string,
  change: "drain" | "deregister",
): Promise<ShownGroup> {
  const known = (await registry.list()).find((one) => one.group === group);
  if (known === undefined) throw new DomainError("not_found");
  if (known.kind !== "outside" && known.kind !== "insights") {
    throw new DomainError("invalid_state", `${group} goes with its exporter: DELETE /v1/exporters/{name}.`);
  }
  await registry[change](group);
  return { group, kind: known.kind, state: change === "drain" ? "draining" : "removed" };
}
