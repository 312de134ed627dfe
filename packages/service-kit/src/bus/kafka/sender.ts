import type { BaseOptions, MessageToProduce, Producer } from "@platformatic/kafka";
import type { Logger } from "../../telemetry/logging.ts";
import { BoundedClient } from "./bounded.ts";
import { connectProducer } from "./client.ts";
import { isKafkaOutage } from "./errors.ts";

/** Undefined as a value says that earlier records of the key are no more. */
export type OutgoingRecord = MessageToProduce<string, string, string, string>;

/** More than the tries that the producer makes by itself. */
const limitMs = 20_000;
const maxRecords = 1_000;
/** Bytes of one request; a broker takes a megabyte of one partition at most unless it is set up otherwise. */
const maxBytes = 700_000;

/**
 * Sends records in the order in which they came, one request at a time: with two under way, one that has to
 * be sent again would come after its successor.
 */
export class Sender {
  readonly #producer: BoundedClient<Producer<string, string, string, string>>;
  readonly #logger: Logger;
  #turn: Promise<unknown> = Promise.resolve();
  #isAway = false;

  constructor(options: BaseOptions, logger: Logger) {
    this.#producer = new BoundedClient(() => connectProducer(options));
    this.#logger = logger;
  }

  /** Asks Kafka for the number by which it knows what was sent twice; without it nothing can be sent. */
  async prepare(): Promise<void> {
    await this.#producer.run(limitMs, (producer) => producer.initIdempotentProducer({}));
  }

  /** Resolves once all in-sync replicas have the records. */
  send(records: readonly OutgoingRecord[]): Promise<void> {
    const sent = this.#turn.then(() => this.#send(records));
    this.#turn = sent.catch(() => {});
    return sent;
  }

  async close(): Promise<void> {
    await this.#turn;
    await this.#producer.close();
  }

  async #send(records: readonly OutgoingRecord[]): Promise<void> {
    for (const messages of chunks(records)) {
      try {
        await this.#producer.run(limitMs, (producer) => producer.send({ messages }));
        this.#setAway(null);
      } catch (error) {
        if (isKafkaOutage(error)) this.#setAway(error);
        throw error;
      }
    }
  }

  #setAway(error: unknown): void {
    const isAway = error !== null;
    if (isAway === this.#isAway) return;
    this.#isAway = isAway;
    if (isAway) this.#logger.warn({ err: error }, "Kafka is away");
    else this.#logger.info("Kafka is back");
  }
}

/** One after the other: a later part must not be stored when an earlier one was refused. */
function* chunks(records: readonly OutgoingRecord[]): Iterable<OutgoingRecord[]> {
  let chunk: OutgoingRecord[] = [];
  let bytes = 0;
  for (const record of records) {
    const size = Buffer.byteLength(record.value ?? "");
    if (chunk.length > 0 && (chunk.length === maxRecords || bytes + size > maxBytes)) {
      yield chunk;
      chunk = [];
      bytes = 0;
    }
    chunk.push(record);
    bytes += size;
  }
  if (chunk.length > 0) yield chunk;
}
