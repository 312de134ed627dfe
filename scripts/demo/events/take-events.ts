import path from "node:path";
import { eventually } from "@payflow/testkit/eventually.ts";
import { itemsOf, numberOf, objectOf, textOf } from "../client.ts";
import type { Shop } from "../shop.ts";
import { check } from "../story.ts";
import { Accounting, accountingGroup, unreadableRange } from "./accounting.ts";
import { exportedFiles, exportedRows } from "./exported-rows.ts";
import {
  asLines,
  cloudEvent,
  failedPayment,
  type PaymentEvent,
  shopsMerchant,
  succeededPayment,
} from "./payment-events.ts";

/** The shop and what the chapter's steps have in common. */
interface Events extends Shop {
  readonly accounting: Accounting;
  /** How many events of the shop's other processors were accepted, so that the export can be counted. */
  accepted: number;
}

const exporterName = "demo-lake";
const many = 1_000;

/** Events of the shop's other processors: taken, exported, given up on and handed out again. */
export async function takeEvents(shop: Shop): Promise<void> {
  shop.story.chapter("Events of other processors");
  const events: Events = { ...shop, accounting: new Accounting(), accepted: 0 };
  try {
    await setUp(events);
    await sendOne(events);
    await sendLines(events);
    await sendCloudEvents(events);
    await sendMany(events);
    await giveUpAndRedrive(events);
    await readExport(events);
    await showInsights(events);
  } finally {
    await events.accounting.stop();
  }
}

async function setUp({ story, admin, url, accounting, streamsUrl }: Events): Promise<void> {
  await story.step("the owner has all events exported to files", async () => {
    await admin.call(`${url("ingest")}/v1/exporters/${exporterName}`, {
      method: "PUT",
      body: {
        kind: "warehouse",
        settings: { format: "ndjson", target: { folder: "lake" }, max_age_seconds: 1 },
      },
      expect: 200,
    });
    return "JSON lines with zstd, a new file each second; also of what came before";
  });
  await story.step("an accounting program begins to read the streams", async () => {
    await accounting.start(streamsUrl);
    return `consumer group ${accountingGroup}, by the library that exporters are built on`;
  });
}

const single = "/v1/events/payment_exhaust";

async function sendOne(events: Events): Promise<void> {
  const { story, client, url } = events;
  const event = failedPayment("checkout-1");
  const send = async () => {
    const answer = await client.call(url("ingest") + single, { method: "POST", body: event, expect: 202 });
    check(answer.body.durability === "fsync", `the durability is ${answer.body.durability}`);
    return answer.body;
  };
  await story.step("sends one event", async () => {
    const body = await send();
    check(body.duplicate === false && body.sequence === 1, JSON.stringify(body));
    events.accepted += 1;
    return `202 once it is on disk, as number 1 of its merchant in ${textOf(body, "stream_id")}`;
  });
  await story.step("sends it again", async () => {
    const body = await send();
    check(body.duplicate === true, "it was stored a second time");
    return "202 duplicate, nothing was stored";
  });
}

async function sendLines(events: Events): Promise<void> {
  const { story, client, url } = events;
  const lines: readonly PaymentEvent[] = [
    succeededPayment("checkout-2"),
    failedPayment("checkout-3", { processor: "Stripe!" }),
    failedPayment("checkout-4", { amount_bucket: unreadableRange }),
    succeededPayment("checkout-2", { event_timestamp: new Date(Date.now() - 5_000).toISOString() }),
    succeededPayment("checkout-5", { processor: "adyen" }),
  ];
  const again = [...lines.slice(0, 1), ...lines];
  const rows: string[][] = [];
  await story.step("sends lines with a bad, a repeated and a conflicting event among them", async () => {
    const { body } = await client.call(`${url("ingest")}/v1/events`, {
      method: "POST",
      headers: { "content-type": "application/x-ndjson" },
      body: asLines(again),
      expect: 202,
    });
    const results = itemsOf(body, "results");
    const statuses = results.map(({ status }) => status);
    const expected = ["accepted", "duplicate", "invalid", "accepted", "conflict", "accepted"];
    check(Bun.deepEquals(statuses, expected), `the events are ${statuses}`);
    for (const result of results) {
      const [error] = result.errors === undefined ? [] : itemsOf(result, "errors");
      const why = error === undefined ? "" : `${error.pointer}: ${error.message}`;
      rows.push([textOf(result, "event_id"), textOf(result, "status"), why]);
    }
    events.accepted += numberOf(body, "accepted");
    return `${body.accepted} accepted, ${body.duplicates} duplicate, ${body.rejected} rejected, each told apart`;
  });
  story.table(rows);
}

async function sendCloudEvents(events: Events): Promise<void> {
  const { story, client, url } = events;
  await story.step("sends CloudEvents, as an envelope, as a list and by headers", async () => {
    const take = (route: string, type: string, body: unknown, attributes: Record<string, string> = {}) => {
      const headers = { "content-type": type, ...attributes };
      return client.call(url("ingest") + route, { method: "POST", headers, body, expect: 202 });
    };
    const wrapped = (number: number) =>
      cloudEvent(succeededPayment(`checkout-${number}`, { processor: "adyen" }));
    await take(single, "application/cloudevents+json", wrapped(6));
    const list = [wrapped(7), wrapped(8)];
    const { body } = await take("/v1/events", "application/cloudevents-batch+json", list);
    check(body.accepted === 2, `${body.accepted} of the list were accepted`);
    const { data, ...attributes } = wrapped(9);
    await take(single, "application/json", data, {
      "ce-specversion": attributes.specversion,
      "ce-id": attributes.id,
      "ce-source": attributes.source,
      "ce-type": attributes.type,
    });
    events.accepted += 4;
    return "all four accepted; the envelope's id serves as the event's";
  });
}

async function sendMany(events: Events): Promise<void> {
  const { story, client, url } = events;
  await story.step(`sends ${many.toLocaleString("en")} events in one compressed body`, async () => {
    const all = Array.from({ length: many }, (_, index) => {
      const make = index % 10 === 0 ? failedPayment : succeededPayment;
      return make(`night-${index}`, { processor: index % 3 === 0 ? "adyen" : "stripe" });
    });
    const bytes = Bun.zstdCompressSync(asLines(all));
    const startedAt = performance.now();
    const { body } = await client.call(`${url("ingest")}/v1/events`, {
      method: "POST",
      headers: { "content-type": "application/x-ndjson", "content-encoding": "zstd" },
      body: bytes,
      expect: 202,
    });
    const ms = Math.round(performance.now() - startedAt);
    check(body.accepted === many, `${body.accepted} were accepted`);
    events.accepted += many;
    return `${bytes.length} bytes with zstd; all accepted and on disk after ${ms} ms`;
  });
}

async function giveUpAndRedrive(events: Events): Promise<void> {
  const { story, client, url, accounting } = events;
  await story.step("the accounting program cannot read one of them", async () => {
    const [letter, ...others] = await eventually(async () => {
      const { body } = await client.call(`${url("ingest")}/v1/dead-letters`, { expect: 200 });
      const found = itemsOf(body);
      return found.length > 0 && found;
    });
    check(letter !== undefined && others.length === 0, `${1 + others.length} events are dead letters`);
    check(letter.event_id === "checkout-4", `the dead letter is ${letter.event_id}`);
    check(letter.tries === 5, `it was tried ${letter.tries} times`);
    return `${letter.event_id} is a dead letter after ${letter.tries} tries: ${letter.reason}`;
  });
  await story.step("all others are booked meanwhile, in their order", async () => {
    await eventually(() => {
      check(accounting.booked.length === events.accepted - 1, `${accounting.booked.length} are booked`);
    });
    const isInOrder = accounting.booked.every((sequence, at, all) => sequence > (all[at - 1] ?? 0));
    check(isInOrder, "they are out of order");
    return `${accounting.booked.length} of ${events.accepted}`;
  });
  await story.step("the program is mended, and the dead letter handed to it again", async () => {
    accounting.isMended = true;
    const redrive = { method: "POST", body: {}, expect: 200 } as const;
    const { body } = await client.call(`${url("ingest")}/v1/dead-letters/redrive`, redrive);
    check(body.redriven === 1, `${body.redriven} were handed out`);
    await eventually(() => check(accounting.booked.length === events.accepted, "it is not booked"));
    const left = await client.call(`${url("ingest")}/v1/dead-letters`, { expect: 200 });
    check(itemsOf(left.body).length === 0, "it is still a dead letter");
    return "booked, and no dead letter is left";
  });
}

async function readExport(events: Events): Promise<void> {
  const { story, exportFolder, payments, accepted } = events;
  const folder = path.join(exportFolder, "lake");
  const rows: string[][] = [];
  await story.step("reads the exported files back", async () => {
    // The platform's own payments and two refunds are events of the shop's too.
    const ofPayFlow = payments.size + 2;
    const exported = await eventually(() => {
      const found = exportedRows(folder);
      check(found.length >= accepted + ofPayFlow, `${found.length} rows are exported`);
      return found;
    });
    check(exported.length === accepted + ofPayFlow, `${exported.length} rows are exported`);
    const own = exported.filter((row) => row.merchant_id_hash === shopsMerchant);
    check(own.length === accepted, `${own.length} of them are the shop's`);
    check(new Set(own.map((row) => row.event_id)).size === accepted, "an event was exported twice");
    check(
      own.every((row, index) => row.sequence === index + 1),
      "an event is missing or out of order",
    );
    for (const [processor, of] of Map.groupBy(exported, (row) => row.processor)) {
      const failed = of.filter((row) => row.event_type.endsWith("_failed")).length;
      rows.push([processor, `${of.length} events`, `${failed} failed`]);
    }
    const files = exportedFiles(folder).length;
    return `${exported.length} rows in ${files} files: each event once, numbered 1 to ${accepted} without a gap`;
  });
  story.table(rows);
}

async function showInsights({ story, client, url }: Events): Promise<void> {
  await story.step("asks how its processors are doing", async () => {
    const told = await eventually(async () => {
      const path = "/v1/insights/processors?window=5m";
      const { body } = await client.call(url("ingest") + path, { expect: 200 });
      const found = itemsOf(body).map((one) => {
        const rate = numberOf(objectOf(one, "current"), "failure_rate");
        return `${one.processor} fails ${(100 * rate).toFixed(1)} %`;
      });
      check(found.length === 3, `${found.length} processors are known`);
      return found;
    });
    return told.join(", ");
  });
}
