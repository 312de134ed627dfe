import type { AppendResult } from "../writer.ts";
import type { Chunk, Item } from "./chunk.ts";
import { writeFingerprint } from "./fingerprint.ts";
import { MessagePackWriter } from "./message-pack.ts";
import { PackedCommand } from "./packed-command.ts";

/** Events of one chunk and one merchant that follow one another: those of its items from `from` to `end`. */
interface Run {
  readonly chunk: Chunk;
  readonly from: number;
  readonly end: number;
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
  readonly #chunks = new Map<number, Chunk[]>();
  /** The runs of each partition, in the order of the partitions. */
  readonly #runs: Run[][] = [];
  #eventCount = 0;

  get eventCount(): number {
    return this.#eventCount;
  }

  /** The chunks, partition by partition. */
  *chunks(): Iterable<Chunk> {
    for (const chunks of this.#chunks.values()) yield* chunks;
  }

  add(chunk: Chunk): void {
    const known = this.#chunks.get(chunk.partition);
    if (known === undefined) this.#chunks.set(chunk.partition, [chunk]);
    else known.push(chunk);
    this.#eventCount += chunk.items.length;
  }

  /** The call, ready to be sent; to be asked for once. */
  command({ sha, sliceMs, isCluster, fingerprintKey, streamOf }: CallOptions): PackedCommand {
    const texts: string[] = [];
    const streams: string[] = [];
    packed.clear();
    packed.list(this.#chunks.size + 2);
    packed.integer(sliceMs);
    packed.integer(isCluster ? 1 : 0);
    for (const [partition, chunks] of this.#chunks) {
      streams.push(streamOf(partition));
      const runs = runsOf(chunks);
      this.#runs.push(runs);
      const events = chunks.reduce((sum, { items }) => sum + items.length, 0);
      packed.list(1 + 5 * runs.length + 4 * events);
      packed.integer(events);
      for (const run of runs) packRun(run, fingerprintKey, texts);
    }
    return PackedCommand.evalsha(sha, streams, packed.written, texts);
  }

  /** Reads the script's answer: what became of each event. */
  read(answers: readonly string[], reader: CallReader): void {
    let index = 0;
    for (const [partition, chunks] of this.#chunks) {
      const answer = answers[index] ?? "!no answer";
      const runs = this.#runs[index] ?? [];
      index += 1;
      if (!answer.startsWith("!")) readPartition(partition, runs, answer, reader);
      else for (const chunk of chunks) reader.failure(chunk, new Error(answer.slice(1)));
    }
  }

  /** The call failed as a whole. */
  fail(error: Error, reader: CallReader): void {
    for (const chunk of this.chunks()) reader.failure(chunk, error);
  }
}

function runsOf(chunks: readonly Chunk[]): Run[] {
  const runs: Run[] = [];
  for (const chunk of chunks) {
    const { items } = chunk;
    let from = 0;
    for (let end = 1; end <= items.length; end += 1) {
      if (end < items.length && items[end]?.merchantKey === items[from]?.merchantKey) continue;
      runs.push({ chunk, from, end });
      from = end;
    }
  }
  return runs;
}

function packRun({ chunk, from, end }: Run, fingerprintKey: string, texts: string[]): void {
  for (let place = from; place < end; place += 1) {
    // A run lies within its chunk's items.
    const { event } = chunk.items[place] as Item;
    if (place === from) {
      packed.text(event.tenantId);
      packed.text(event.mode);
      packed.text(event.merchant);
      packed.integer(chunk.isPlatform ? 2 : chunk.isAdmitted ? 1 : 0);
      packed.integer(end - from);
    }
    const id = packed.raw(8);
    writeFingerprint(fingerprintKey, event, id.bytes, id.at);
    packed.integer(id.bytes.readUInt32BE(id.at));
    const body = packed.raw(4);
    body.bytes.writeUInt32BE(event.bodyHash, body.at);
    packed.text(event.eventId);
    texts.push(event.json);
  }
}

function readPartition(partition: number, runs: readonly Run[], answer: string, reader: CallReader): void {
  const [first = "", letters = "", ...before] = answer.split(" ");
  const dash = first.indexOf("-");
  const prefix = `${partition}:${first.slice(0, dash + 1)}`;
  let number = Number(first.slice(dash + 1));
  let position = 0;
  for (const [index, { chunk, from, end }] of runs.entries()) {
    let sequence = Number(before[index]);
    for (let place = from; place < end; place += 1) {
      // A run lies within its chunk's items.
      const item = chunk.items[place] as Item;
      const letter = letters === "-" ? "s" : letters[position];
      position += 1;
      if (letter === "s") {
        sequence += 1;
        reader.event(chunk, item, { kind: "stored", streamId: `${prefix}${number}`, sequence });
        number += 1;
      } else
        reader.event(chunk, item, letter === "d" ? duplicate : letter === "c" ? conflict : unknownMerchant);
    }
  }
}
