import type { AcceptedEvent } from "../../events/event.ts";
import type { AppendResult } from "../writer.ts";
import type { Chunk, Item } from "./chunk.ts";
import { writeFingerprint } from "./fingerprint.ts";
import { MessagePackWriter } from "./message-pack.ts";
import { PackedCommand } from "./packed-command.ts";

interface Merchant {
  readonly event: AcceptedEvent;
  isAdmitted: boolean;
  isPlatform: boolean;
  readonly chunks: Chunk[];
  readonly items: Item[];
}

interface Partition {
  readonly chunks: Chunk[];
  readonly merchants: Map<string, Merchant>;
}

/** What became of an event in a call; `unknown_merchant` asks for the merchant's admission. */
export type AppendOutcome = AppendResult | { readonly kind: "unknown_merchant" };

export interface CallOptions {
  /** The append script's digest, by which Redis knows it. */
  readonly sha: string;
  /** How long a slice of remembered ids is. */
  readonly sliceMs: number;
  readonly isCluster: boolean;
  readonly fingerprintKey: string;
  readonly streamOf: (partition: number) => string;
}

export interface CallReader {
  event(chunk: Chunk, item: Item, outcome: AppendOutcome): void;
  /** A partition's part failed: nothing is known to be stored of it. */
  failure(chunk: Chunk, error: Error): void;
}

const duplicate = { kind: "duplicate" } as const;
const conflict = { kind: "conflict" } as const;
const unknownMerchant = { kind: "unknown_merchant" } as const;

/** Encoding is synchronous, so that all calls share one. */
const packed = new MessagePackWriter();

/** The chunks that one call of the append script stores. */
export class AppendCall {
  readonly #partitions = new Map<number, Partition>();
  #eventCount = 0;

  get eventCount(): number {
    return this.#eventCount;
  }

  /** The chunks, partition by partition. */
  *chunks(): Iterable<Chunk> {
    for (const partition of this.#partitions.values()) yield* partition.chunks;
  }

  add(chunk: Chunk): void {
    let partition = this.#partitions.get(chunk.partition);
    if (partition === undefined) {
      partition = { chunks: [], merchants: new Map() };
      this.#partitions.set(chunk.partition, partition);
    }
    partition.chunks.push(chunk);
    this.#eventCount += chunk.items.length;
    for (const item of chunk.items) {
      const merchant = partition.merchants.get(item.merchantKey);
      if (merchant === undefined) {
        const { isAdmitted, isPlatform } = chunk;
        const started = { event: item.event, isAdmitted, isPlatform, chunks: [chunk], items: [item] };
        partition.merchants.set(item.merchantKey, started);
      } else {
        merchant.isAdmitted ||= chunk.isAdmitted;
        merchant.isPlatform &&= chunk.isPlatform;
        merchant.chunks.push(chunk);
        merchant.items.push(item);
      }
    }
  }

  /** The call, ready to be sent. */
  command({ sha, sliceMs, isCluster, fingerprintKey, streamOf }: CallOptions): PackedCommand {
    const texts: string[] = [];
    packed.clear();
    packed.list(this.#partitions.size + 2);
    packed.integer(sliceMs);
    packed.integer(isCluster ? 1 : 0);
    for (const { merchants } of this.#partitions.values()) {
      packed.list(merchants.size);
      for (const { event, isAdmitted, isPlatform, items } of merchants.values()) {
        packed.list(4 + 3 * items.length);
        packed.text(event.tenantId);
        packed.text(event.mode);
        packed.text(event.merchant);
        packed.integer(isPlatform ? 2 : isAdmitted ? 1 : 0);
        for (const item of items) {
          const id = packed.raw(8);
          writeFingerprint(fingerprintKey, item.event, id.bytes, id.at);
          const body = packed.raw(4);
          body.bytes.writeUInt32BE(item.event.bodyHash, body.at);
          packed.text(item.event.eventId);
          texts.push(item.event.json);
        }
      }
    }
    return PackedCommand.evalsha(sha, [...this.#partitions.keys()].map(streamOf), packed.written, texts);
  }

  /** Reads the script's answer: what became of each event. */
  read(answers: readonly string[], reader: CallReader): void {
    let index = 0;
    for (const [number, { chunks, merchants }] of this.#partitions) {
      const answer = answers[index] ?? "!no answer";
      index += 1;
      if (!answer.startsWith("!")) readPartition(number, merchants.values(), answer, reader);
      else for (const chunk of chunks) reader.failure(chunk, new Error(answer.slice(1)));
    }
  }

  /** The call failed as a whole. */
  fail(error: Error, reader: CallReader): void {
    for (const chunk of this.chunks()) reader.failure(chunk, error);
  }
}

function readPartition(
  partition: number,
  merchants: Iterable<Merchant>,
  answer: string,
  reader: CallReader,
): void {
  const [first = "", letters = "", ...before] = answer.split(" ");
  const dash = first.indexOf("-");
  const prefix = `${partition}:${first.slice(0, dash + 1)}`;
  let number = Number(first.slice(dash + 1));
  let position = 0;
  let merchantIndex = 0;
  for (const { chunks, items } of merchants) {
    let sequence = Number(before[merchantIndex]);
    merchantIndex += 1;
    for (const [index, item] of items.entries()) {
      const letter = letters === "-" ? "s" : letters[position];
      position += 1;
      // Each item was added together with its chunk.
      const chunk = chunks[index] as Chunk;
      if (letter === "s") {
        sequence += 1;
        reader.event(chunk, item, { kind: "stored", streamId: `${prefix}${number}`, sequence });
        number += 1;
      } else
        reader.event(chunk, item, letter === "d" ? duplicate : letter === "c" ? conflict : unknownMerchant);
    }
  }
}
