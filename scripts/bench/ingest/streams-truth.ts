import { createReadStream, existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { createZstdDecompress } from "node:zlib";
import { streamKeys } from "@payflow/service-kit/streams/keys.ts";
import { Redis } from "ioredis";

const partitions = Array.from({ length: 16 }, (_, index) => index);

/** The durable Redis of an installation, for counting what is true. */
export class Streams {
  readonly #keys = streamKeys("ingest");
  readonly redis: Redis;

  constructor(url: string) {
    // With its name, since the user needs no password while the three-command server runs.
    this.redis = new Redis(url, { username: "default" });
  }

  close(): void {
    this.redis.disconnect();
  }

  /** Entries that are in the streams. */
  async count(): Promise<number> {
    const lengths = await Promise.all(partitions.map((one) => this.redis.xlen(this.#keys.events(one))));
    return lengths.reduce((sum, length) => sum + length, 0);
  }

  /** Waits until Redis does not rewrite its file any more: that is the cost of the load before. */
  async rest(): Promise<void> {
    while (/aof_rewrite_(in_progress|scheduled):1/.test(await this.redis.info("persistence"))) {
      await Bun.sleep(100);
    }
  }

  /** Removes all entries; sequences and remembered ids stay. */
  async empty(): Promise<void> {
    for (const one of partitions) await this.redis.xtrim(this.#keys.events(one), "MAXLEN", 0);
  }

  /** Events stored since the streams were made, by the merchants' sequence numbers. */
  async stored(): Promise<number> {
    let sum = 0;
    for (const one of partitions) {
      const { about: _about, ...sequences } = await this.redis.hgetall(this.#keys.sequences(one));
      for (const last of Object.values(sequences)) sum += Number(last);
    }
    return sum;
  }

  /** Removes all remembered ids; by how many bytes Redis's memory falls. */
  async forgetIds(): Promise<number> {
    const before = await this.#usedBytes();
    for await (const keys of this.redis.scanStream({ match: "ingest:{*}:seen*", count: 5_000 })) {
      if (keys.length > 0) await this.redis.del(...keys);
    }
    return before - (await this.#usedBytes());
  }

  /** Without the buffers of connections and of the append-only file, which come and go. */
  async #usedBytes(): Promise<number> {
    const info = await this.redis.info("memory");
    const field = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, "m").exec(info)?.[1]);
    return field("used_memory") - field("mem_clients_normal") - field("mem_aof_buffer");
  }
}

/** What stands in the files of an export. */
export interface Exported {
  readonly rows: number;
  readonly ids: number;
  /** Merchants whose sequence numbers have a gap among these rows. */
  readonly gaps: number;
}

/** Reads all NDJSON files below a folder. */
export async function readExport(folder: string): Promise<Exported> {
  const ids = new Set<string>();
  const merchants = new Map<string, { least: number; most: number; count: number }>();
  let rows = 0;
  const names = existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: "utf8" }) : [];
  for (const name of names.filter((one) => one.endsWith(".zst"))) {
    const text = createReadStream(path.join(folder, name)).pipe(createZstdDecompress());
    for await (const line of createInterface({ input: text })) {
      const row = JSON.parse(line);
      rows += 1;
      ids.add(`${row.merchant_id_hash} ${row.event_id}`);
      const seen = merchants.get(row.merchant_id_hash) ?? { least: row.sequence, most: 0, count: 0 };
      seen.least = Math.min(seen.least, row.sequence);
      seen.most = Math.max(seen.most, row.sequence);
      seen.count += 1;
      merchants.set(row.merchant_id_hash, seen);
    }
  }
  const gaps = [...merchants.values()].filter(({ least, most, count }) => most - least + 1 !== count).length;
  return { rows, ids: ids.size, gaps };
}
