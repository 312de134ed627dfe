import { bookmarkAt, line, status, statusBody } from "./api-answers.ts";
import type { FakeApiServer, Faults, LoggedEvent, WatchSender, WatchWriter } from "./fake-api-server.ts";

/** Numbers below 1, the same ones for the same seed (mulberry32). */
export type Random = () => number;

export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function pick<T>(random: Random, values: readonly T[]): T {
  return values[Math.floor(random() * values.length)] as T;
}

/** What may go wrong; each request and each delivery of a watch draws one, most often nothing. */
const refusals = ["none", "none", "none", "none", "500", "503", "429", "410"] as const;
const troubles = ["plain", "duplicated", "reordered", "reset", "silence", "error", "ended", "split"] as const;

export interface SeededFaults extends Faults {
  /** How often each fault was met. */
  readonly met: Map<string, number>;
  /** While it is calm nothing goes wrong anew; what is silent stays so. */
  setCalm(isCalm: boolean): void;
}

/** Faults by seed. Each connection draws from a row of its own, so that its troubles are the same each time. */
export function seededFaults(seed: number, server: FakeApiServer): SeededFaults {
  const random = seeded(seed);
  const met = new Map<string, number>();
  const meet = (fault: string) => met.set(fault, (met.get(fault) ?? 0) + 1);
  let isCalm = false;
  let connections = 0;
  return {
    met,
    setCalm(wanted) {
      isCalm = wanted;
    },
    answer({ url }) {
      const refusal = isCalm ? "none" : pick(random, refusals);
      const isLater = url.searchParams.has("watch") || url.searchParams.has("continue");
      if (refusal === "none" || (refusal === "410" && !isLater)) return undefined;
      meet(refusal);
      if (refusal === "429") return status(429, "TooManyRequests", { "retry-after": "0" });
      if (refusal === "410") return status(410, "Expired");
      return status(Number(refusal), "InternalError");
    },
    sender(writer) {
      connections += 1;
      return new TroubledSender(seeded(seed * 1_000 + connections), server, writer, () => isCalm, meet);
    },
  };
}

class TroubledSender implements WatchSender {
  readonly #random: Random;
  readonly #server: FakeApiServer;
  readonly #writer: WatchWriter;
  readonly #isCalm: () => boolean;
  readonly #meet: (fault: string) => void;
  readonly #sent: LoggedEvent[] = [];
  #waiting: LoggedEvent[] = [];
  #isSilent = false;

  constructor(
    random: Random,
    server: FakeApiServer,
    writer: WatchWriter,
    isCalm: () => boolean,
    meet: (fault: string) => void,
  ) {
    this.#random = random;
    this.#server = server;
    this.#writer = writer;
    this.#isCalm = isCalm;
    this.#meet = meet;
  }

  send(events: readonly LoggedEvent[]): void {
    if (this.#isSilent) return;
    this.#waiting.push(...events);
    // Some wait for the next, so that there is something to reorder.
    if (!this.#isCalm() && this.#waiting.length < 4 && this.#random() < 0.5) {
      queueMicrotask(() => this.#release());
      return;
    }
    this.#release();
  }

  #release(): void {
    if (this.#isSilent) return;
    const events = this.#waiting.splice(0);
    if (events.length === 0) return;
    const trouble = this.#isCalm() ? "plain" : pick(this.#random, troubles);
    this.#meet(trouble);
    this.#deliver(trouble, events);
  }

  #deliver(trouble: (typeof troubles)[number], events: LoggedEvent[]): void {
    switch (trouble) {
      case "duplicated": {
        const again = [...events, ...events, ...this.#sent.filter(() => this.#random() < 0.2)];
        this.#write(again);
        return;
      }
      case "reordered":
        this.#write(shuffledNearby(events, this.#random));
        return;
      case "reset":
        this.#cut(Buffer.concat(shuffledNearby(events, this.#random).map(lineOf)));
        return;
      case "silence":
        this.#isSilent = true;
        return;
      case "error":
        this.#write(events.slice(0, -1));
        this.#writer.write(line("ERROR", statusBody(...pick(this.#random, errors))));
        this.#isSilent = true;
        return;
      case "ended":
        this.#write(events);
        this.#isSilent = true;
        this.#writer.end();
        return;
      case "split":
        this.#split(Buffer.concat(events.map(lineOf)));
        return;
      default:
        this.#write(events);
        if (this.#random() < 0.3) this.#writer.write(line("BOOKMARK", bookmarkAt(this.#server.version)));
    }
  }

  #write(events: readonly LoggedEvent[]): void {
    this.#sent.push(...events);
    for (const event of events) this.#writer.write(lineOf(event));
  }

  #cut(bytes: Uint8Array): void {
    this.#isSilent = true;
    this.#writer.write(bytes.subarray(0, Math.floor(this.#random() * bytes.length)));
    // What was written has to leave before the connection breaks.
    setTimeout(() => this.#writer.reset(), 1);
  }

  /** In pieces of a few bytes, each by itself, so that characters of several bytes come apart. */
  #split(bytes: Uint8Array): void {
    for (let from = 0; from < bytes.length; ) {
      const size = 1 + Math.floor(this.#random() * 40);
      this.#writer.write(bytes.subarray(from, from + size));
      from += size;
    }
  }
}

const errors: readonly (readonly [number, string])[] = [
  [410, "Expired"],
  [500, "InternalError"],
  [429, "TooManyRequests"],
];

function lineOf({ type, object }: LoggedEvent): Uint8Array {
  return line(type, object);
}

/** Out of order, but no event more than eight places from its own. */
function shuffledNearby(events: readonly LoggedEvent[], random: Random): LoggedEvent[] {
  const blocks: LoggedEvent[][] = [];
  for (let from = 0; from < events.length; from += 8) blocks.push(events.slice(from, from + 8));
  return blocks.flatMap((block) =>
    block
      .map((event) => ({ event, rank: random() }))
      .sort((left, right) => left.rank - right.rank)
      .map(({ event }) => event),
  );
}
