/*
 * Reads PayFlow's event streams with nothing but ioredis, and prints each event as a line of JSON. Put your
 * own work into `handle`. Start it twice and the second one stands by until the first is gone.
 *
 * REDIS_URL=redis://… GROUP=my-group bun examples/consumers/consumer.ts
 *
 * What it relies on is in docs/guides/event-streams.md.
 */
import { Redis } from "ioredis";

const { REDIS_URL = "redis://127.0.0.1:6379", STREAM_PREFIX = "ingest", GROUP = "example" } = process.env;

/** One name for the group's one reader: whoever is active first reads what the one before left pending. */
const consumer = "reader";
const batch = 100;
const leaseMs = 10_000;
/** Entries that a program of another name took and left for so long are taken over. */
const idleMs = 60_000;

type Entry = readonly [id: string, fields: string[]];

const me = crypto.randomUUID();
const leaseKey = `${STREAM_PREFIX}:{example}:lease:${GROUP}`;
const redis = new Redis(REDIS_URL, { maxRetriesPerRequest: null });
const leases = new Redis(REDIS_URL, { maxRetriesPerRequest: null });
// A connection that is lost is made anew; what was under way is then read again.
for (const connection of [redis, leases]) connection.on("error", (error) => console.error(String(error)));
let isStopping = false;

/** Your work. An event may come again after a crash: remember its stream id, or do what can be done twice. */
async function handle(event: object): Promise<void> {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

const eventsKey = (partition: number) => `${STREAM_PREFIX}:{${partition}}:events`;

/** Makes the group in every partition, and lets entries wait for it. */
async function register(partitions: readonly number[]): Promise<void> {
  for (const partition of partitions) {
    await redis.xgroup("CREATE", eventsKey(partition), GROUP, "0", "MKSTREAM").catch((error: Error) => {
      if (!error.message.startsWith("BUSYGROUP")) throw error;
    });
  }
  const groups = `${STREAM_PREFIX}:{shared}:groups`;
  await redis.hsetnx(groups, GROUP, JSON.stringify({ kind: "outside", start: "0", state: "active" }));
  const place = JSON.parse((await redis.hget(groups, GROUP)) ?? "{}");
  if (place.state === "removed") throw new Error(`an admin has removed the group ${GROUP}`);
}

/** Waits until no other process is active. One that cannot renew in time ends, and starts anew. */
async function becomeActive(): Promise<void> {
  while (!isStopping && (await leases.set(leaseKey, me, "PX", leaseMs, "NX")) !== "OK") await Bun.sleep(500);
  let renewedAt = Date.now();
  setInterval(async () => {
    if (Date.now() - renewedAt > leaseMs) throw new Error("the lease was lost");
    if ((await leases.get(leaseKey)) !== me) throw new Error("another process is active");
    await leases.pexpire(leaseKey, leaseMs);
    renewedAt = Date.now();
  }, leaseMs / 4).unref();
}

/** Handles entries of one partition in their order, and acknowledges all of them at once. */
async function take(partition: number, entries: readonly Entry[]): Promise<void> {
  for (const [id, fields] of entries) {
    const entry: Record<string, string> = {};
    for (let at = 0; at < fields.length; at += 2) entry[fields[at] ?? ""] = fields[at + 1] ?? "";
    // An entry that was redriven is for one group alone.
    if (entry.for !== undefined && entry.for !== GROUP) continue;
    await handle({
      stream_id: `${partition}:${id}`,
      tenant_id: entry.tenant,
      mode: entry.mode,
      merchant: entry.merchant,
      sequence: Number(entry.sequence),
      event: JSON.parse(entry.event ?? "null"),
    });
  }
  await redis.xack(eventsKey(partition), GROUP, ...entries.map(([id]) => id));
}

/** What was taken and not acknowledged, by the reader before or by a program of another name, comes first. */
async function takePending(partition: number): Promise<void> {
  const key = eventsKey(partition);
  await redis.xautoclaim(key, GROUP, consumer, idleMs, "0-0", "COUNT", batch);
  while (!isStopping) {
    const reply = await redis.xreadgroup("GROUP", GROUP, consumer, "COUNT", batch, "STREAMS", key, "0");
    const [[, entries] = ["", []]] = (reply ?? []) as [string, Entry[]][];
    if (entries.length === 0) return;
    await take(partition, entries);
  }
}

async function run(): Promise<void> {
  const count = Number(await redis.hget(`${STREAM_PREFIX}:{shared}:plan`, "partitions"));
  if (count === 0) throw new Error(`there are no event streams called ${STREAM_PREFIX} in this Redis`);
  const partitions = Array.from({ length: count }, (_, partition) => partition);
  await register(partitions);
  await becomeActive();
  for (const partition of partitions) await takePending(partition);
  const keys = partitions.map(eventsKey);
  while (!isStopping) {
    const reply = await redis.xreadgroup(
      ...(["GROUP", GROUP, consumer, "COUNT", batch, "BLOCK", 1_000, "STREAMS"] as const),
      ...keys,
      ...keys.map(() => ">"),
    );
    const read = (reply ?? []) as [string, Entry[]][];
    // Partitions go side by side; only within one does the order count.
    await Promise.all(read.map(([key, entries]) => take(keys.indexOf(key), entries)));
  }
  if ((await leases.get(leaseKey)) === me) await leases.del(leaseKey);
}

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.on(signal, () => {
    isStopping = true;
  });
}
await run();
process.exit(0);
