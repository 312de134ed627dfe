import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  type RunningInstallation,
  startInstallation,
} from "@payflow/one-machine/installation/start-installation.ts";
import { readRunRecord, type Settings } from "@payflow/one-machine/installation/state.ts";
import { releasePortBase, reservePortBase } from "@payflow/one-machine/processes/ports.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { metricOf } from "../platform/health.ts";
import { adminCall, pay, raiseLimits, registerTenant, type TestTenant } from "../platform/platform.ts";
import { Traffic } from "../platform/traffic.ts";
import { Truth } from "../platform/truth.ts";

setDefaultTimeout(240_000);

type Bus = Settings["bus"];

const folder = mkdtempSync(path.join(tmpdir(), "payflow-bus-change-"));
const state = path.join(folder, "state");
/** What one app has to itself at its next start. */
const ownSettings = new Map<string, Record<string, string>>();
let portBase: number;
let one: RunningInstallation;
let truth: Truth;
let tenant: TestTenant;

async function start(bus: Bus): Promise<void> {
  one = await startInstallation({
    ...{ state, portBase, bus },
    isDurable: false,
    busChangeMs: 10_000,
    env: (app) => ({ INQUIRY_FIRST_MS: "1000", INQUIRY_MAX_MS: "2000", ...ownSettings.get(app) }),
  });
}

beforeAll(async () => {
  portBase = await reservePortBase();
  await start("redis");
  truth = new Truth(one);
  tenant = await registerTenant(one);
  await raiseLimits(one, tenant);
}, 120_000);

afterAll(async () => {
  await truth?.close();
  await one?.stop();
  releasePortBase(portBase);
  rmSync(folder, { recursive: true, force: true });
}, 90_000);

/** As `./payflow up --bus` asks for it; answers why it was refused, or null. */
async function changeTo(bus: Bus): Promise<string | null> {
  await one.installation.apply({ ...one.installation.settings, bus });
  return readRunRecord(state)?.problem ?? null;
}

/** The buses that the apps' databases record. */
async function recorded(): Promise<string[]> {
  const apps = [truth.payment, truth.ledger, truth.fraud, truth.notifier];
  const rows = await Promise.all(apps.map((sql) => sql`select bus, changing_to from event_bus`));
  return rows.flat().map((row) => (row.changing_to === null ? row.bus : `${row.bus} to ${row.changing_to}`));
}

const names = () => one.installation.processes().map(({ name }) => name);
const onAll = (bus: Bus) => [bus, bus, bus, bus];

/** Payments of this test alone, which must all be booked in the end. */
async function payments(count: number): Promise<string[]> {
  const answers = await Promise.all(Array.from({ length: count }, () => pay(one, tenant.liveKey)));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
  return answers.map(({ body }) => body.payment_id);
}

async function booked(ids: readonly string[]): Promise<void> {
  await eventually(
    async () => {
      const rows = await truth.ledger`select 1 from transfer where payment_id = any(${[...ids]}::text[])`;
      expect(rows.length).toBe(ids.length);
    },
    { timeoutMs: 60_000 },
  );
}

test("a change is refused while a group has events to go, and everything goes on over the old bus", async () => {
  await one.installation.stopApp("ledger");
  const before = await payments(5);
  // The events are on the bus, and the ledger is not there to read them.
  await eventually(async () => (await truth.payment`select 1 from outbox`).length === 0);
  const [problem, during] = await Promise.all([changeTo("kafka"), payments(5)]);
  expect(problem).toMatch(/not changed to kafka.*the group ledger has \d+ events to go/);
  expect(one.installation.settings.bus).toBe("redis");
  expect(await recorded()).toEqual(onAll("redis"));
  expect(names()).not.toContain("kafka");
  await one.installation.startApp("ledger");
  await booked([...before, ...during]);
});

test("an app refuses a bus that its database does not record, and says what to do", async () => {
  await one.installation.stopApp("ledger");
  ownSettings.set("ledger", { EVENT_BUS: "kafka", KAFKA_BROKERS: "127.0.0.1:9" });
  const refused = one.installation.startApp("ledger");
  expect(refused).rejects.toThrow(
    /EVENT_BUS is kafka, but the events of this installation go over redis.*up --bus kafka/,
  );
  await refused.catch(() => {});
  ownSettings.delete("ledger");
  await one.installation.startApp("ledger");
});

test("from Redis to Kafka and back under load nothing is lost, doubled or booked twice", async () => {
  const traffic = new Traffic(one, tenant, 4);
  const grown = async () => {
    const { length } = traffic.acknowledged;
    await eventually(() => traffic.acknowledged.length >= length + 20, { timeoutMs: 60_000 });
  };
  await traffic.during(async () => {
    await grown();
    expect(await changeTo("kafka")).toBeNull();
    expect(await recorded()).toEqual(onAll("kafka"));
    expect(names()).toContain("kafka");
    await grown();
    expect(await changeTo("redis")).toBeNull();
    expect(await recorded()).toEqual(onAll("redis"));
    expect(names()).not.toContain("kafka");
    await grown();
  });
  expect(traffic.unexpected).toEqual([]);
  await truth.settled(120_000);
  await truth.addsUp();
  await truth.holds(traffic.acknowledged);
});

test("a start with another bus first lets the apps read what is left on the old one", async () => {
  await one.installation.stopApp("ledger");
  const unread = await payments(5);
  await eventually(async () => (await truth.payment`select 1 from outbox`).length === 0);
  await one.stop();
  await start("kafka");
  expect(await recorded()).toEqual(onAll("kafka"));
  await booked(unread);
  await booked(await payments(5));
});

test("with Kafka away payments go on, and its return brings them to the ledger", async () => {
  await one.installation.stopStore("kafka", "SIGKILL");
  const ids = await payments(5);
  expect((await adminCall(one, "ledger", "GET", "/ledger/reconciliations")).status).toBe(200);
  await one.installation.startStore("kafka");
  await booked(ids);
});

test("with Kafka away for long new payments are refused before the disk fills, and taken again by themselves", async () => {
  ownSettings.set("payment", { OUTBOX_MAX_EVENTS: "30" });
  await one.installation.stopApp("payment");
  await one.installation.startApp("payment");
  ownSettings.delete("payment");
  await one.installation.stopStore("kafka", "SIGKILL");
  const same = { customer_id: "repeating" };
  const first = { key: crypto.randomUUID(), id: "" };
  const ids: string[] = [];
  const refused = await eventually(
    async () => {
      const isFirst = first.id === "";
      const key = isFirst ? first.key : crypto.randomUUID();
      const answer = await pay(one, tenant.liveKey, isFirst ? same : {}, key);
      if (answer.status !== 201) return answer;
      if (isFirst) first.id = answer.body.payment_id;
      ids.push(answer.body.payment_id);
      return false;
    },
    { timeoutMs: 60_000 },
  );
  expect([refused.status, refused.body.code, refused.headers.get("retry-after")]).toEqual([
    ...[503, "unavailable", "5"],
  ]);
  const repeated = await pay(one, tenant.liveKey, same, first.key);
  expect([repeated.status, repeated.body.payment_id]).toEqual([201, first.id]);
  const read = await fetch(`${one.url("payment")}/payments/${first.id}`, {
    headers: { "x-api-key": tenant.liveKey },
  });
  expect(read.status).toBe(200);
  const full = await metricOf(one.internalUrl("payment"), "payflow_outbox_limit_ratio");
  expect(full).toBe(1);
  await one.installation.startStore("kafka");
  await eventually(
    async () => {
      const answer = await pay(one, tenant.liveKey);
      expect(answer.status).toBe(201);
      ids.push(answer.body.payment_id);
    },
    { timeoutMs: 60_000, everyMs: 250 },
  );
  await booked(ids);
  await one.installation.stopApp("payment");
  await one.installation.startApp("payment");
});

test("a change that was killed half way is taken back at the next start, or finished where it was recorded", async () => {
  if (one.installation.settings.bus !== "kafka") expect(await changeTo("kafka")).toBeNull();
  await truth.payment`update event_bus set changing_to = 'redis'`;
  const waiting = await payments(3);
  await one.stop();
  await start("kafka");
  expect(await recorded()).toEqual(onAll("kafka"));
  await booked(waiting);

  // Killed while the new bus was being recorded: the old one was empty by then.
  await truth.settled();
  for (const sql of [truth.payment, truth.fraud, truth.notifier]) {
    await sql`update event_bus set changing_to = 'redis'`;
  }
  await truth.ledger`update event_bus set bus = 'redis'`;
  await one.stop();
  await start("redis");
  expect(await recorded()).toEqual(onAll("redis"));
  await booked(await payments(3));
});

test("an installation that is ended in the middle of a change ends, and goes on over the old bus", async () => {
  await one.installation.stopApp("ledger");
  const unread = await payments(3);
  await eventually(async () => (await truth.payment`select 1 from outbox`).length === 0);
  const change = changeTo("kafka");
  await eventually(async () => (await recorded()).includes("redis to kafka"), { timeoutMs: 60_000 });
  await one.stop();
  await change;
  await start("redis");
  expect(await recorded()).toEqual(onAll("redis"));
  await booked([...unread, ...(await payments(3))]);
});
