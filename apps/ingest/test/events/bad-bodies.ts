import { gzipSync, zstdCompressSync } from "node:zlib";
import { batch, example, single } from "./events-space.ts";

/** A body that is refused as a whole, or all of whose events are. */
export interface BadBody {
  readonly name: string;
  readonly path: string;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly status: number;
  /** Of the problem; none where each event is answered by itself. */
  readonly code?: string;
  /** Of what is wrong, in the problem or in each event's result. */
  readonly pointers?: readonly string[];
}

const json = JSON.stringify;
const good = () => json(example());
const ndjson = "application/x-ndjson";
const cloudEvents = "application/cloudevents+json";
const cloudEventBatch = "application/cloudevents-batch+json";

/** The good event with one piece of its text replaced. */
const edited = (from: string | RegExp, to: string) => good().replace(from, to);
const bytes = (...parts: (string | readonly number[])[]) =>
  Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : Buffer.from(part))));
const bomb = Buffer.alloc(64 * 2 ** 20, " ");
const deep = (open: string, close: string, depth: number) => open.repeat(depth) + close.repeat(depth);

function cloudEvent(fields: Record<string, unknown> = {}): string {
  const { event_id: id, ...data } = example();
  return json({ specversion: "1.0", id, source: "/checkout", type: "payment_exhaust", data, ...fields });
}
const binary = { "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/checkout", "ce-type": "t" };

/** Refused alike by both routes, as a document that is no JSON or has another form. */
const documents: readonly Omit<BadBody, "path">[] = [
  { name: "no JSON", body: "hello", status: 400, code: "invalid_json" },
  { name: "JSON that is cut", body: good().slice(0, -1), status: 400, code: "invalid_json" },
  { name: "a string that is cut", body: '"hello', status: 400, code: "invalid_json" },
  { name: "single quotes", body: "{'a':1}", status: 400, code: "invalid_json" },
  { name: "a NUL character", body: "\0", status: 400, code: "invalid_json" },
  { name: "null", body: "null", status: 400, code: "invalid_request", pointers: [""] },
  { name: "a number", body: "1", status: 400, code: "invalid_request", pointers: [""] },
  { name: "a text", body: '"hello"', status: 400, code: "invalid_request", pointers: [""] },
  { name: "an empty array", body: "[]", status: 400, code: "invalid_request", pointers: [""] },
  { name: "no content type", type: "", body: good(), status: 415, code: "unsupported_media_type" },
  { name: "text/plain", type: "text/plain", body: good(), status: 415, code: "unsupported_media_type" },
  {
    name: "a form",
    type: "application/x-www-form-urlencoded",
    body: "a=1",
    status: 415,
    code: "unsupported_media_type",
  },
  {
    name: "another charset",
    type: "application/json; charset=utf-16",
    body: good(),
    status: 415,
    code: "unsupported_media_type",
  },
  {
    name: "CloudEvents in Avro",
    type: "application/cloudevents+avro",
    body: "x",
    status: 415,
    code: "unsupported_media_type",
  },
  {
    name: "an unknown encoding",
    headers: { "content-encoding": "br" },
    body: good(),
    status: 415,
    code: "unsupported_media_type",
  },
  {
    name: "an encoding that every object has",
    headers: { "content-encoding": "constructor" },
    body: good(),
    status: 415,
    code: "unsupported_media_type",
  },
  {
    name: "two encodings",
    headers: { "content-encoding": "gzip, gzip" },
    body: gzipSync(gzipSync(good())),
    status: 415,
    code: "unsupported_media_type",
  },
  {
    name: "deflate",
    headers: { "content-encoding": "deflate" },
    body: good(),
    status: 415,
    code: "unsupported_media_type",
  },
  {
    name: "gzip that is none",
    headers: { "content-encoding": "gzip" },
    body: good(),
    status: 400,
    code: "invalid_json",
  },
  {
    name: "zstd that is none",
    headers: { "content-encoding": "zstd" },
    body: good(),
    status: 400,
    code: "invalid_json",
  },
  {
    name: "gzip that is cut",
    headers: { "content-encoding": "gzip" },
    body: gzipSync(good()).subarray(0, -4),
    status: 400,
    code: "invalid_json",
  },
  {
    name: "zstd that is cut",
    headers: { "content-encoding": "zstd" },
    body: zstdCompressSync(good()).subarray(0, -4),
    status: 400,
    code: "invalid_json",
  },
  {
    name: "bytes behind gzip",
    headers: { "content-encoding": "gzip" },
    body: bytes([...gzipSync(good())], "{}"),
    status: 400,
    code: "invalid_json",
  },
  {
    name: "bytes behind zstd",
    headers: { "content-encoding": "zstd" },
    body: bytes([...zstdCompressSync(good())], "{}"),
    status: 400,
    code: "invalid_json",
  },
  {
    name: "a gzip bomb",
    headers: { "content-encoding": "gzip" },
    body: gzipSync(bomb),
    status: 413,
    code: "payload_too_large",
  },
  {
    name: "a zstd bomb",
    headers: { "content-encoding": "zstd" },
    body: zstdCompressSync(bomb),
    status: 413,
    code: "payload_too_large",
  },
  { name: "too many bytes", body: bomb.subarray(0, 8 * 2 ** 20 + 1), status: 413, code: "payload_too_large" },
  {
    name: "an unknown query field",
    headers: {},
    body: good(),
    status: 400,
    code: "invalid_request",
    pointers: ["#/query/page"],
  },
];

/** One event that is wrong, and where. */
const events: readonly (readonly [name: string, text: string, pointers: readonly string[]])[] = [
  ["an array in the place of an event", json([example()]), [""]],
  [
    "no fields",
    "{}",
    [
      "/event_type",
      "/event_timestamp",
      "/event_id",
      "/merchant_id_hash",
      "/payment_intent_id_hash",
      "/processor",
    ],
  ],
  ["an unknown field", json(example({ amount: 1 })), ["/amount"]],
  ["an unknown field named __proto__", edited("{", '{"__proto__":{"processor":"x"},'), ["/__proto__"]],
  ["a missing field", edited(/"processor":"stripe",/, ""), ["/processor"]],
  ["a required field that is null", json(example({ event_type: null })), ["/event_type"]],
  ["a number for a text", json(example({ processor: 7, channel: 1 })), ["/processor", "/channel"]],
  ["an object for a text", json(example({ geo_bucket: { country: "US" } })), ["/geo_bucket"]],
  ["an array for a text", json(example({ event_id: ["a"] })), ["/event_id"]],
  ["a boolean for a count", json(example({ retry_count: true })), ["/retry_count"]],
  ["a text for a count", json(example({ retry_count: "1" })), ["/retry_count"]],
  ["a negative count", json(example({ retry_count: -1 })), ["/retry_count"]],
  ["a broken count", json(example({ retry_count: 0.5 })), ["/retry_count"]],
  ["an endless count", edited('"retry_count":0', '"retry_count":1e999'), ["/retry_count"]],
  ["an empty text", json(example({ event_type: "" })), ["/event_type"]],
  ["an empty id", json(example({ event_id: "" })), ["/event_id"]],
  ["an id of 101 characters", json(example({ event_id: "x".repeat(101) })), ["/event_id"]],
  ["an id with a line break", json(example({ event_id: "a\nb" })), ["/event_id"]],
  ["an id with a NUL", json(example({ event_id: "a\0" })), ["/event_id"]],
  ["a text of 101 characters", json(example({ failure_category: "x".repeat(101) })), ["/failure_category"]],
  ["a hash of 129 characters", json(example({ merchant_id_hash: "x".repeat(129) })), ["/merchant_id_hash"]],
  ["an upper-case processor", json(example({ processor: "Stripe" })), ["/processor"]],
  ["half a surrogate pair", edited('"channel":"web"', '"channel":"\\ud800"'), ["/channel"]],
  ["the halves of a pair exchanged", edited('"channel":"web"', '"channel":"\\udc00\\ud800"'), ["/channel"]],
  ["half a surrogate pair in a name", edited('"channel"', '"\\ud800"'), ["/\ud800"]],
  ["a name that stands twice", edited("{", '{"channel":"app", '), ["/channel"]],
  ["a name that stands twice, once escaped", edited("{", '{"\\u0063hannel":"app",'), ["/channel"]],
  [
    "a time without an offset",
    json(example({ event_timestamp: "2026-11-21T12:00:00" })),
    ["/event_timestamp"],
  ],
  ["a time in seconds", json(example({ event_timestamp: 1_795_262_400 })), ["/event_timestamp"]],
  ["a day that is none", json(example({ event_timestamp: "2026-02-30T12:00:00Z" })), ["/event_timestamp"]],
  [
    "a time of two years ago",
    json(example({ event_timestamp: new Date(Date.now() - 730 * 86_400_000) })),
    ["/event_timestamp"],
  ],
  [
    "a time of tomorrow",
    json(example({ event_timestamp: new Date(Date.now() + 86_400_000) })),
    ["/event_timestamp"],
  ],
  [
    "nested objects",
    edited(
      '"channel":"web"',
      `"channel":${deep('{"a":', "}", 5_000).replace("{}", "{}")}`.replace('{"a":}', "{}"),
    ),
    ["/channel"],
  ],
  ["nested arrays", edited('"channel":"web"', `"channel":${deep("[", "]", 20_000)}`), ["/channel"]],
];

/** One CloudEvent that is wrong, and where. */
const wrongCloudEvents: readonly (readonly [name: string, text: string, pointers: readonly string[]])[] = [
  ["another version", cloudEvent({ specversion: "0.3" }), ["/specversion"]],
  ["no id, source and type", json({ specversion: "1.0", data: example() }), ["/id", "/source", "/type"]],
  ["no data", cloudEvent({ data: undefined }), ["/data"]],
  ["data and base64", cloudEvent({ data_base64: "e30=" }), ["/data_base64"]],
  ["base64 that is no JSON", cloudEvent({ data: undefined, data_base64: "AAAA" }), ["/data_base64"]],
  [
    "a name twice in base64",
    cloudEvent({
      data: undefined,
      data_base64: Buffer.from(`{"channel":"app",${json(example()).slice(1)}`).toString("base64"),
    }),
    ["/data_base64/channel"],
  ],
  ["data of another type", cloudEvent({ datacontenttype: "text/xml" }), ["/datacontenttype"]],
  ["an extension that is an object", cloudEvent({ trace: {} }), ["/trace"]],
  ["data that is a text", cloudEvent({ data: json(example()) }), ["/data"]],
  ["an unknown field in the data", cloudEvent({ data: example({ amount: 1 }) }), ["/data/amount"]],
  ["an id that is too long", cloudEvent({ id: "x".repeat(101) }), ["/id"]],
];

const rest: readonly BadBody[] = [
  { name: "no body", path: single, status: 400, code: "invalid_request", pointers: events[1]?.[2] ?? [] },
  { name: "no body", path: batch, status: 400, code: "invalid_request", pointers: [""] },
  {
    name: "an empty body",
    path: batch,
    type: ndjson,
    body: "",
    status: 400,
    code: "invalid_request",
    pointers: [""],
  },
  {
    name: "blank lines alone",
    path: batch,
    type: ndjson,
    body: "\n \r\n",
    status: 400,
    code: "invalid_request",
    pointers: [""],
  },
  {
    name: "thousands of blank lines",
    path: batch,
    type: ndjson,
    body: "\n".repeat(50_000),
    status: 413,
    code: "payload_too_large",
  },
  {
    name: "an event in the place of a list",
    path: batch,
    body: good(),
    status: 400,
    code: "invalid_request",
    pointers: [""],
  },
  { name: "an array that is cut", path: batch, body: `[${good()}`, status: 400, code: "invalid_json" },
  {
    name: "an array with a comma at its end",
    path: batch,
    body: `[${good()},]`,
    status: 400,
    code: "invalid_json",
  },
  {
    name: "an array with a part that is no JSON",
    path: batch,
    body: `[${good()},{]]`,
    status: 400,
    code: "invalid_json",
  },
  { name: "bytes after the array", path: batch, body: `[${good()}]x`, status: 400, code: "invalid_json" },
  {
    name: "a second array",
    path: batch,
    body: `[${good()}]\n[${good()}]`,
    status: 400,
    code: "invalid_json",
  },
  { name: "bytes after the event", path: single, body: `${good()}x`, status: 400, code: "invalid_json" },
  { name: "a second event", path: single, body: good() + good(), status: 400, code: "invalid_json" },
  { name: "a NUL after the event", path: single, body: `${good()}\0`, status: 400, code: "invalid_json" },
  {
    name: "invalid UTF-8",
    path: single,
    body: bytes('{"event_id":"', [0xff], '"}'),
    status: 400,
    code: "invalid_json",
  },
  {
    name: "overlong UTF-8",
    path: single,
    body: bytes('{"event_id":"', [0xc0, 0xaf], '"}'),
    status: 400,
    code: "invalid_json",
  },
  {
    name: "half a surrogate pair in UTF-8",
    path: single,
    body: bytes('{"event_id":"', [0xed, 0xa0, 0x80], '"}'),
    status: 400,
    code: "invalid_json",
  },
  {
    name: "invalid UTF-8",
    path: batch,
    body: bytes(`[${good()},"`, [0xff], '"]'),
    status: 400,
    code: "invalid_json",
  },
  { name: "UTF-16", path: single, body: Buffer.from(good(), "utf16le"), status: 400, code: "invalid_json" },
  {
    name: "more than 64 KiB",
    path: single,
    body: json(example({ channel: "x".repeat(70_000) })),
    status: 413,
    code: "payload_too_large",
  },
  {
    name: "more than 64 KiB from gzip",
    path: single,
    headers: { "content-encoding": "gzip" },
    body: gzipSync(json(example({ channel: "x".repeat(70_000) }))),
    status: 413,
    code: "payload_too_large",
  },
  {
    name: "an event of more than 64 KiB among others",
    path: batch,
    body: `[${json(example({ channel: "x".repeat(70_000) }))}]`,
    status: 202,
    pointers: [""],
  },
  {
    name: "more than 10,000 events",
    path: batch,
    body: `[${"{},".repeat(10_000)}{}]`,
    status: 413,
    code: "payload_too_large",
  },
  {
    name: "more than 10,000 lines",
    path: batch,
    type: ndjson,
    body: "{}\n".repeat(10_001),
    status: 413,
    code: "payload_too_large",
  },
  {
    name: "a million elements",
    path: batch,
    body: `[${"[],".repeat(1_000_000)}[]]`,
    status: 413,
    code: "payload_too_large",
  },
  { name: "brackets alone", path: batch, body: "[".repeat(8 * 2 ** 20), status: 400, code: "invalid_json" },
  {
    name: "lines on the route of one event",
    path: single,
    type: ndjson,
    body: good(),
    status: 415,
    code: "unsupported_media_type",
  },
  {
    name: "a batch on the route of one event",
    path: single,
    type: cloudEventBatch,
    body: `[${cloudEvent()}]`,
    status: 415,
    code: "unsupported_media_type",
  },
  { name: "a line that is no JSON", path: batch, type: ndjson, body: "{\n", status: 202, pointers: [""] },
  {
    name: "two events on a line",
    path: batch,
    type: ndjson,
    body: good() + good(),
    status: 202,
    pointers: [""],
  },
  {
    name: "a line that is not UTF-8",
    path: batch,
    type: ndjson,
    body: bytes('{"a":"', [0xff], '"}\n'),
    status: 202,
    pointers: [""],
  },
  {
    name: "a CloudEvent that is no JSON",
    path: batch,
    type: cloudEvents,
    body: "{",
    status: 400,
    code: "invalid_json",
  },
  {
    name: "no array of CloudEvents",
    path: batch,
    type: cloudEventBatch,
    body: cloudEvent(),
    status: 400,
    code: "invalid_request",
    pointers: [""],
  },
  {
    name: "an empty batch of CloudEvents",
    path: batch,
    type: cloudEventBatch,
    body: "[]",
    status: 400,
    code: "invalid_request",
    pointers: [""],
  },
  {
    name: "a binary CloudEvent of another version",
    path: single,
    headers: { ...binary, "ce-specversion": "2.0" },
    body: good(),
    status: 400,
    code: "invalid_request",
    pointers: ["#/header/ce-specversion"],
  },
  {
    name: "a binary CloudEvent without a type",
    path: batch,
    headers: { ...binary, "ce-type": "" },
    body: good(),
    status: 202,
    pointers: ["#/header/ce-type"],
  },
  {
    name: "a binary CloudEvent in XML",
    path: single,
    type: "application/xml",
    headers: binary,
    body: "<a/>",
    status: 415,
    code: "unsupported_media_type",
  },
  {
    name: "a binary CloudEvent with a mangled id",
    path: single,
    headers: { ...binary, "ce-id": "%ff" },
    body: good(),
    status: 400,
    code: "invalid_request",
    pointers: ["#/header/ce-id"],
  },
];

const lineOf = (text: string) => text.replaceAll("\n", " ");

/** Every way that we know of in which a body can be wrong, with what the documentation says to it. */
export function badBodies(): BadBody[] {
  return [
    ...documents.flatMap((one) =>
      [single, batch].map((path) => {
        const query = one.name === "an unknown query field" ? "?page=2" : "";
        const isList = path === batch && one.name === "an unknown query field";
        return { ...one, path: path + query, ...(isList ? { body: `[${one.body}]` } : {}) };
      }),
    ),
    ...events.flatMap(([name, text, pointers]): BadBody[] => [
      { name, path: single, body: text, status: 400, code: "invalid_request", pointers },
      { name, path: batch, body: `[${text}]`, status: 202, pointers },
      { name, path: batch, type: ndjson, body: lineOf(text), status: 202, pointers },
    ]),
    ...wrongCloudEvents.flatMap(([name, text, pointers]): BadBody[] => [
      { name, path: single, type: cloudEvents, body: text, status: 400, code: "invalid_request", pointers },
      { name, path: batch, type: cloudEvents, body: text, status: 202, pointers },
      { name, path: batch, type: cloudEventBatch, body: `[${text}]`, status: 202, pointers },
    ]),
    ...rest,
  ];
}
