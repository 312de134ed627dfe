import type { Failure } from "../../../concurrency/finish-batch.ts";

/*
 * What is known of a partition's failures is stored with the group's position, as the text that Kafka keeps
 * beside each offset: one write for both, refused from whoever no longer reads the partition.
 */

/** What a broker keeps beside an offset, in characters, unless it is set up otherwise. */
const maxLength = 4_000;

const radix = 36;

/**
 * The failures of a position and what follows it, as a text. Of more than have room those with the fewest
 * tries are forgotten, which costs them some tries more.
 */
export function encodeFailures(failures: ReadonlyMap<string, Failure>, position: number): string {
  const groups = new Map<string, number[]>();
  for (const [offset, failure] of failures) {
    const after = Number(offset) - position;
    if (after < 0) continue;
    const seconds = Math.floor(Date.parse(failure.firstFailedAt) / 1_000);
    const kind = `${failure.isBuried ? "b" : "t"}${failure.tries},${seconds.toString(radix)}`;
    groups.set(kind, [...(groups.get(kind) ?? []), after]);
  }
  const ranked = [...groups].sort(([left], [right]) => weight(right) - weight(left));
  let text = "";
  for (const [kind, offsets] of ranked) {
    const part = `${kind}:${ranges(offsets.sort((left, right) => left - right))};`;
    if (text.length + part.length <= maxLength) text += part;
  }
  return text;
}

const weight = (kind: string) => (kind.startsWith("b") ? 100 : 0) + Number.parseInt(kind.slice(1), 10);

/** `0-3.5` stands for 0, 1, 2, 3 and 5. */
function ranges(offsets: readonly number[]): string {
  const parts: { from: number; to: number }[] = [];
  for (const offset of offsets) {
    const last = parts.at(-1);
    if (last !== undefined && last.to === offset - 1) last.to = offset;
    else parts.push({ from: offset, to: offset });
  }
  const text = (value: number) => value.toString(radix);
  return parts.map(({ from, to }) => (from === to ? text(from) : `${text(from)}-${text(to)}`)).join(".");
}

/** Reads what `encodeFailures` wrote; reasons are not kept, since each further failure has its own. */
export function decodeFailures(note: string | null, position: number): Map<string, Failure> {
  const failures = new Map<string, Failure>();
  for (const part of (note ?? "").split(";")) {
    const match = /^([bt])(\d+),([0-9a-z]+):([0-9a-z.-]+)$/.exec(part);
    if (match === null) continue;
    const [, kind, tries, seconds = "", list = ""] = match;
    const failedAt = new Date(Number.parseInt(seconds, radix) * 1_000).toISOString();
    const failure: Failure = {
      tries: Number(tries),
      reason: "",
      firstFailedAt: failedAt,
      lastFailedAt: failedAt,
      ...(kind === "b" ? { isBuried: true } : {}),
    };
    for (const range of list.split(".")) {
      const [from = "", to = from] = range.split("-");
      const end = Number.parseInt(to, radix);
      for (let at = Number.parseInt(from, radix); at <= end; at += 1) {
        failures.set(String(position + at), failure);
      }
    }
  }
  return failures;
}
