import type { StreamsRedis } from "@payflow/service-kit/streams/connect.ts";
import { letterMember } from "@payflow/service-kit/streams/dead-letters.ts";
import { entryFields, type RawEntry } from "@payflow/service-kit/streams/entry.ts";
import type { StreamKeys } from "@payflow/service-kit/streams/keys.ts";
import { compareLetters, type Letter, type LetterPosition, type Owner } from "./letter.ts";

/**
 * Keys: dead letters, stream, the tenant's letters. Arguments: letter, its name in the tenant's, group. Moves
 * the letter to the end of its stream, for its group alone; returns 0 when it is gone.
 */
const redriveScript = `
  local found = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
  if not found then return 0 end
  local known = {}
  for i = 1, #found[2], 2 do known[found[2][i]] = found[2][i + 1] end
  local fields = {}
  for _, name in ipairs({${entryFields.map((name) => `'${name}'`).join(", ")}}) do
    fields[#fields + 1] = name
    fields[#fields + 1] = known[name] or ''
  end
  fields[#fields + 1] = 'for'
  fields[#fields + 1] = ARGV[3]
  redis.call('XADD', KEYS[2], '*', unpack(fields))
  redis.call('XDEL', KEYS[1], ARGV[1])
  redis.call('ZREM', KEYS[3], ARGV[2])
  return 1`;

interface LetterScripts {
  streamsRedrive(keyCount: number, ...args: string[]): Promise<number>;
}

/** Which letters of a partition are asked for, in either order. */
export interface LetterRange {
  readonly owner: Owner;
  readonly count: number;
  /** Letters beyond this one, in the order that is asked for. */
  readonly after?: LetterPosition | undefined;
}

/** The dead letters of each partition, and for each tenant and mode which of them are its own. */
export class LettersStore {
  readonly #redis: StreamsRedis & LetterScripts;
  readonly #keys: StreamKeys;
  readonly #partitions: readonly number[];

  constructor(redis: StreamsRedis, keys: StreamKeys, partitions: number) {
    redis.defineCommand("streamsRedrive", { lua: redriveScript });
    // defineCommand adds the method that the interface lists.
    this.#redis = redis as StreamsRedis & LetterScripts;
    this.#keys = keys;
    this.#partitions = Array.from({ length: partitions }, (_, partition) => partition);
  }

  async find({ partition, letterId }: LetterPosition): Promise<Letter | null> {
    const [row] = await this.#redis.xrange(this.#keys.dead(partition), letterId, letterId);
    return row === undefined ? null : toLetter(partition, row);
  }

  /** Up to `count` letters of each partition, all together in order. */
  async list(range: LetterRange, isNewestFirst: boolean): Promise<Letter[]> {
    const { owner } = range;
    const found = await Promise.all(
      this.#partitions.map((partition) =>
        owner === null
          ? this.#ofAll(partition, range, isNewestFirst)
          : this.#ofOwner(partition, owner, range, isNewestFirst),
      ),
    );
    const order = isNewestFirst ? -1 : 1;
    return found.flat().sort((left, right) => order * compareLetters(left, right));
  }

  /** Puts a letter back at the end of its partition, for its group alone; false when it is gone. */
  async redrive({ partition, letterId, tenantId, mode, group }: Letter): Promise<boolean> {
    const keys = this.#keys;
    const moved = await this.#redis.streamsRedrive(
      3,
      ...[keys.dead(partition), keys.events(partition), keys.deadOf(partition, tenantId, mode)],
      ...[letterId, letterMember(letterId), group],
    );
    return moved === 1;
  }

  async #ofOwner(
    partition: number,
    { tenantId, mode }: NonNullable<Owner>,
    { count, after }: LetterRange,
    isNewestFirst: boolean,
  ): Promise<Letter[]> {
    const own = this.#keys.deadOf(partition, tenantId, mode);
    const from = after === undefined ? null : bound(partition, after, isNewestFirst);
    const edge = from === null ? null : `${from.isWithin ? "[" : "("}${letterMember(from.letterId)}`;
    const members = isNewestFirst
      ? await this.#redis.zrevrangebylex(own, edge ?? "+", "-", "LIMIT", 0, count)
      : await this.#redis.zrangebylex(own, edge ?? "-", "+", "LIMIT", 0, count);
    const letters = await Promise.all(
      members.map((member) => this.find({ partition, letterId: idOf(member) })),
    );
    return letters.filter((letter) => letter !== null);
  }

  async #ofAll(partition: number, { count, after }: LetterRange, isNewestFirst: boolean): Promise<Letter[]> {
    const dead = this.#keys.dead(partition);
    const from = after === undefined ? null : bound(partition, after, isNewestFirst);
    const edge = from === null ? null : `${from.isWithin ? "" : "("}${from.letterId}`;
    const rows = isNewestFirst
      ? await this.#redis.xrevrange(dead, edge ?? "+", "-", "COUNT", count)
      : await this.#redis.xrange(dead, edge ?? "-", "+", "COUNT", count);
    return rows.map((row) => toLetter(partition, row));
  }
}

/** Where a partition goes on: letters of one time and number are in the order of their partitions. */
function bound(partition: number, after: LetterPosition, isNewestFirst: boolean) {
  const isLater = isNewestFirst ? partition < after.partition : partition > after.partition;
  return { letterId: after.letterId, isWithin: isLater };
}

function idOf(member: string): string {
  return member.split("-").map(Number).join("-");
}

function toLetter(partition: number, [letterId, fields]: RawEntry): Letter {
  const known = new Map<string, string>();
  for (let at = 0; at + 1 < fields.length; at += 2) known.set(fields[at] ?? "", fields[at + 1] ?? "");
  const field = (name: string) => known.get(name) ?? "";
  return {
    partition,
    letterId,
    group: field("group"),
    reason: field("reason"),
    tries: Number(field("tries")),
    firstFailedAt: field("first_failed_at"),
    lastFailedAt: field("last_failed_at"),
    entryId: field("entry"),
    tenantId: field("tenant"),
    mode: field("mode") === "live" ? "live" : "test",
    merchant: field("merchant"),
    sequence: Number(field("sequence")),
    eventId: field("id"),
    event: field("event"),
  };
}
