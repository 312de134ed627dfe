import { example } from "../example-event.ts";
import { cloudEvent, deep, edited, json } from "./body-texts.ts";

/** One event that is wrong, and where. */
export const badEvents: readonly (readonly [name: string, text: string, pointers: readonly string[]])[] = [
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
export const badCloudEvents: readonly (readonly [name: string, text: string, pointers: readonly string[]])[] =
  [
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
