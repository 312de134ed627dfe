/** Bytes of one event's text. */
export const eventBytes = 470;
/** The last part of an id, which counts; the part before it is one run's own. */
const counterDigits = 12;

/** A key, and the merchants whose events go out with it. */
export interface Sender {
  readonly apiKey: string;
  readonly merchants: readonly string[];
}

/** A request whose events get new ids each time, by writing digits into it. */
interface Template {
  readonly bytes: Buffer;
  /** Where the digits of each event's id begin. */
  readonly counters: readonly number[];
}

/** Merchants of `count`, dealt out to the keys in turn. */
export function sendersOf(apiKeys: readonly string[], count: number): Sender[] {
  const names = Array.from({ length: count }, (_, index) => `merchant_${`${index}`.padStart(4, "0")}`);
  return apiKeys.map((apiKey, own) => ({
    apiKey,
    merchants: names.filter((_, index) => index % apiKeys.length === own),
  }));
}

/**
 * Requests that are sent again and again, each time with ids that never were before. Their bytes are made
 * once, so that the program which sends them takes little from the ones that are measured.
 */
export class SampleRequests {
  readonly #templates: readonly Template[];
  #next = 0;
  #id = 0;

  constructor(senders: readonly Sender[], host: string, batch: number) {
    this.#templates =
      batch === 1
        ? interleave(senders).map(({ apiKey, merchant }) => single(host, apiKey, merchant))
        : senders.map(({ apiKey, merchants }) => many(host, apiKey, merchants, batch));
  }

  /** The bytes of the next request; valid until the one after it. */
  next(): Buffer {
    const template = this.#templates[this.#next];
    if (template === undefined) throw new Error("nobody sends");
    this.#next = (this.#next + 1) % this.#templates.length;
    for (const at of template.counters) writeCounter(template.bytes, at, this.#id++);
    return template.bytes;
  }
}

function writeCounter(bytes: Buffer, at: number, value: number): void {
  let rest = value;
  for (let digit = at + counterDigits - 1; digit >= at; digit -= 1) {
    bytes[digit] = 0x30 + (rest % 10);
    rest = Math.floor(rest / 10);
  }
}

function interleave(senders: readonly Sender[]): { apiKey: string; merchant: string }[] {
  const rounds = Math.max(...senders.map((sender) => sender.merchants.length));
  return Array.from({ length: rounds }, (_, round) => round).flatMap((round) =>
    senders.flatMap(({ apiKey, merchants }) => {
      const merchant = merchants[round];
      return merchant === undefined ? [] : [{ apiKey, merchant }];
    }),
  );
}

function single(host: string, apiKey: string, merchant: string): Template {
  const body = eventText(merchant);
  const head = headOf(host, "/v1/events/payment_exhaust", apiKey, "application/json", body.length);
  return { bytes: Buffer.from(head + body), counters: [head.length + body.indexOf(counter)] };
}

function many(host: string, apiKey: string, merchants: readonly string[], batch: number): Template {
  const lines = Array.from({ length: batch }, (_, index) =>
    eventText(merchants[index % merchants.length] ?? ""),
  );
  const body = `${lines.join("\n")}\n`;
  const head = headOf(host, "/v1/events", apiKey, "application/x-ndjson", body.length);
  const first = head.length + (lines[0] ?? "").indexOf(counter);
  const counters = lines.map((_, index) => first + index * (eventBytes + 1));
  return { bytes: Buffer.from(head + body), counters };
}

function headOf(host: string, path: string, apiKey: string, type: string, length: number): string {
  const lines = [
    `POST ${path} HTTP/1.1`,
    `host: ${host}`,
    `x-api-key: ${apiKey}`,
    `content-type: ${type}`,
    `content-length: ${length}`,
  ];
  return `${lines.join("\r\n")}\r\n\r\n`;
}

const counter = "0".repeat(counterDigits);
/** A UUID but for its last part. */
const runId = crypto.randomUUID().slice(0, -counterDigits);

function eventText(merchant: string): string {
  const event = {
    event_type: "payment_failed",
    event_timestamp: new Date().toISOString(),
    event_id: runId + counter,
    merchant_id_hash: merchant,
    payment_intent_id_hash: "",
    processor: "stripe",
    failure_category: "processor_timeout",
    retry_count: 0,
    geo_bucket: "US",
    amount_bucket: "50-200",
    system_source: "checkout_api",
    payment_method_bucket: "credit_card",
    channel: "web",
    retry_result: "failed",
    failure_origin: "processor",
  };
  const rest = eventBytes - JSON.stringify(event).length;
  return JSON.stringify({ ...event, payment_intent_id_hash: "5f".repeat(rest).slice(0, rest) });
}
