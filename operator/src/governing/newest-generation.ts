import { ApiError } from "../kubernetes/client/api-error.ts";
import type { ResourceKind } from "../kubernetes/objects/object.ts";
import type { CustomObject } from "../resources/api-group.ts";
import type { Leading } from "./leading.ts";
import { Refused } from "./refusals.ts";

/**
 * To be called before an app is written to that shows this generation. Throws a conflict where we have not
 * heard of that generation yet, and `Refused` where nobody will: the cluster has gone back in time.
 */
export async function requireNewestGeneration(
  { client }: Leading,
  kind: ResourceKind,
  object: CustomObject<unknown, unknown>,
  shown: number | null | undefined,
): Promise<void> {
  const { generation, uid } = object.metadata;
  if (shown == null || shown <= generation) return;
  const present = await client.get(kind, object.metadata);
  if (present?.metadata.uid !== uid || present.metadata.generation !== generation) {
    throw new ApiError(
      409,
      "Conflict",
      `${kind.kind} ${object.metadata.name} has been changed since it was read`,
    );
  }
  throw new Refused(
    "GenerationBehind",
    `The service was written generation ${shown} of this object, which is at ${generation} now: the cluster ` +
      `was restored from a backup. Change the spec, as often as needed, until its generation is above ${shown}.`,
  );
}
