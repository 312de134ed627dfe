/** A group's place in the registry, kept in Redis as JSON. */
export interface GroupPlace {
  /** What reads for it: an exporter's kind, or `outside` for programs that are not ours. */
  readonly kind: string;
  /** Whether it began with all entries there were, or with those that came after it. */
  readonly start: "0" | "$";
  /**
   * Entries wait for an active group. For a draining one those wait that were there when it was told, and a
   * removed one is neither waited for nor read.
   */
  readonly state: "active" | "draining" | "removed";
  readonly since: string;
  /** A draining group's last entry by partition. */
  readonly until?: readonly string[];
}

/** The text of a place for a group that begins now. */
export function newPlace(kind: string, start: "0" | "$"): string {
  const place: GroupPlace = { kind, start, state: "active", since: new Date().toISOString() };
  return JSON.stringify(place);
}

/**
 * Reads a place. An operator may have written it by hand: what is missing reads as an active outside group.
 */
export function readPlace(text: string): GroupPlace {
  const place = readObject(text);
  return {
    kind: place.kind ?? "outside",
    start: place.start ?? "0",
    state: place.state ?? "active",
    since: place.since ?? "",
    ...(place.until === undefined ? {} : { until: place.until }),
  };
}

function readObject(text: string): Partial<GroupPlace> {
  try {
    const value: unknown = JSON.parse(text);
    // Written by this module, or by hand after the guide.
    return typeof value === "object" && value !== null ? (value as Partial<GroupPlace>) : {};
  } catch {
    return {};
  }
}

/** Whether a group was taken out of the registry, so that nobody reads for it. */
export function isRemoved(text: string): boolean {
  return readPlace(text).state === "removed";
}
