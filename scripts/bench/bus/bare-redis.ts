import { Redis } from "ioredis";
import { smallEvents } from "./small-events.ts";

/** What the bare client is to do; given as JSON. */
export interface BareOrder {
  readonly url: string;
  readonly count: number;
}

const stream = "bare";
const group = "bare";
const batch = 512;

/**
 * The same events by the client alone: one connection appends in pipelines and waits for each, another reads
 * with a group and acknowledges. Prints the seconds until the last was read.
 */
async function run({ url, count }: BareOrder): Promise<void> {
  const producer = new Redis(url);
  const consumer = new Redis(url);
  await producer.del(stream);
  await producer.xgroup("CREATE", stream, group, "0", "MKSTREAM");
  const events = smallEvents(0, count);
  const startedAt = performance.now();
  const produce = async () => {
    for (let at = 0; at < count; at += batch) {
      const pipeline = producer.pipeline();
      for (const { envelope } of events.slice(at, at + batch)) pipeline.xadd(stream, "*", "event", envelope);
      await pipeline.exec();
    }
  };
  const consume = async () => {
    for (let read = 0; read < count; ) {
      const streams = await consumer.xreadgroup(
        ...(["GROUP", group, "one", "COUNT", batch, "BLOCK", 100, "STREAMS", stream, ">"] as const),
      );
      // The reply's shape is that of XREADGROUP: streams, each with its entries.
      const entries = (streams as [string, [string, string[]][]][] | null)?.[0]?.[1] ?? [];
      for (const [, fields] of entries) JSON.parse(fields[1] ?? "");
      if (entries.length > 0) await consumer.xack(stream, group, ...entries.map(([id]) => id));
      read += entries.length;
    }
  };
  await Promise.all([produce(), consume()]);
  console.log(JSON.stringify((performance.now() - startedAt) / 1_000));
  await producer.del(stream);
  process.exit(0);
}

if (import.meta.main) await run(JSON.parse(await Bun.stdin.text()));
