import { clientOptions, connectAdmin } from "@payflow/service-kit/bus/kafka/client.ts";
import type { KafkaSettings } from "@payflow/service-kit/bus/kafka.ts";
import { retry } from "@payflow/service-kit/concurrency/retry.ts";
import { Consumer, Producer, stringDeserializers, stringSerializers } from "@platformatic/kafka";
import { smallEvents } from "./small-events.ts";

/** What the bare client is to do; given as JSON. */
interface BareOrder {
  readonly config: KafkaSettings;
  readonly count: number;
}

const topic = `bare-${Date.now()}`;
const batch = 512;

/**
 * The same events by the client alone: an idempotent producer sends batches and waits for each, a consumer
 * reads as a group and commits now and then. Prints the seconds until the last was read.
 */
async function run({ config, count }: BareOrder): Promise<void> {
  const options = clientOptions(config, "bare");
  const admin = connectAdmin(options, 10_000);
  await admin.createTopics({ topics: [topic], partitions: config.KAFKA_PARTITIONS, replicas: 1 });
  const producer = new Producer({
    ...options,
    // As the bus of ours sends.
    ...{ idempotent: true, acks: -1, compression: "lz4", retries: 2, repeatOnStaleMetadata: true },
    serializers: stringSerializers,
  });
  const consumer = new Consumer({ ...options, groupId: topic, deserializers: stringDeserializers });
  const [first, events] = [smallEvents(0, 200), smallEvents(200, count)];
  const send = (some: typeof events) =>
    producer.send({ messages: some.map(({ key, envelope }) => ({ topic, key, value: envelope })) });
  // A new topic's partitions have no leaders for a moment, and joining a group takes seconds: neither is
  // measured.
  await retry(
    () => send(first),
    () => true,
    { firstMs: 200, maxMs: 1_000, attempts: 30 },
  );
  const stream = await consumer.consume({
    topics: [topic],
    mode: "earliest",
    autocommit: 1_000,
    maxWaitTime: 10,
  });
  const startedAt = performance.now();
  const produce = async () => {
    for (let at = 0; at < count; at += batch) await send(events.slice(at, at + batch));
  };
  const consume = async () => {
    let read = 0;
    for await (const { value } of stream) {
      JSON.parse(value ?? "");
      read += 1;
      if (read === first.length + count) break;
    }
  };
  await Promise.all([produce(), consume()]);
  console.log(JSON.stringify((performance.now() - startedAt) / 1_000));
  await admin.deleteTopics({ topics: [topic] });
  process.exit(0);
}

if (import.meta.main) await run(JSON.parse(await Bun.stdin.text()));
