import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { connect, createServer, type Server } from "node:net";
import path from "node:path";
import { testKeys } from "@payflow/testkit/bus/events.ts";
import { skippedEvents } from "@payflow/testkit/bus/order.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { BusRecords } from "../../src/bus-change/bus-records.ts";
import { whatIsLeft } from "../../src/bus-change/empty-bus.ts";
import { OutboxFixture } from "./outbox-fixture.ts";

setDefaultTimeout(60_000);

let fixture: OutboxFixture;
let records: BusRecords;
beforeEach(async () => {
  fixture = await OutboxFixture.start();
  await fixture.sql`insert into event_bus (bus) values ('redis')`;
  records = await BusRecords.open([{ name: "relay", ownerUrl: fixture.adminUrl }]);
});
afterEach(async () => {
  await records.close();
  await fixture.end();
});

/** A bus whose sends wait until they are let through. */
function heldBack() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  let begun = 0;
  const send: typeof fixture.bus.send = async (messages) => {
    begun += 1;
    await opened;
    await fixture.bus.send(messages);
  };
  return { bus: { send }, open, begun: () => begun };
}

const stillSending = async () => (await records.sending()).length > 0;

test("while a change of bus is recorded nothing is sent, and afterwards all of it in order", async () => {
  const relays = [fixture.relay(), fixture.relay()];
  await fixture.drained(await fixture.commit(testKeys(20), 2));
  await records.begin("redis", "kafka");
  await eventually(async () => !(await stillSending()));
  const events = await fixture.commit(testKeys(20), 5);
  for (const relay of relays) relay.wake();
  // A relay that begins now is held as well, though it takes leases before it can know.
  fixture.relay();
  await Bun.sleep(1_500);
  expect(await fixture.waiting()).toBe(events.length);
  await records.giveUp();
  await fixture.drained(events);
  expect(skippedEvents(fixture.arrived)).toEqual([]);
});

test("a change waits for the send that is under way, however long it takes", async () => {
  const held = heldBack();
  fixture.relay({ bus: held.bus, leaseSeconds: 1 });
  const events = await fixture.commit(testKeys(4), 1);
  await eventually(() => held.begun() > 0);
  await records.begin("redis", "kafka");
  const change = { records, bus: fixture.bus, groups: ["ledger"], everyMs: 50 };
  // Far beyond the lease: it is extended as long as the send lasts.
  expect(await whatIsLeft({ ...change, deadlineMs: 2_500 })).toEqual(["the relay of relay is still sending"]);
  held.open();
  expect(await whatIsLeft({ ...change, deadlineMs: 20_000 })).toEqual([]);
  expect(fixture.arrived.map(({ event_id }) => event_id).sort()).toEqual(
    events.map(({ event_id }) => event_id).sort(),
  );
});

test("a relay that was started for one bus sends nothing once another is recorded", async () => {
  fixture.relay();
  await records.begin("redis", "kafka");
  await records.finish("kafka");
  await eventually(async () => !(await stillSending()));
  const events = await fixture.commit(testKeys(5), 1);
  await Bun.sleep(1_000);
  expect(await fixture.waiting()).toBe(events.length);
  fixture.relay({ busName: "kafka" });
  await fixture.drained(events);
});

test("a killed change is taken back, but finished where one database records the new bus", async () => {
  await records.begin("redis", "kafka");
  expect(await records.settle()).toBe("redis");
  const [row] = await fixture.sql`select bus, changing_to from event_bus`;
  expect({ ...row }).toEqual({ bus: "redis", changing_to: null });

  const other = await OutboxFixture.start();
  const both = await BusRecords.open([
    { name: "relay", ownerUrl: fixture.adminUrl },
    { name: "other", ownerUrl: other.adminUrl },
  ]);
  await both.begin("redis", "kafka");
  await records.finish("kafka");
  expect(await both.settle()).toBe("kafka");
  await both.giveUp();
  await records.begin("kafka", "redis");
  await records.finish("redis");
  expect(both.settle()).rejects.toThrow("record different buses (relay redis, other kafka)");
  await both.settle().catch(() => {});
  await both.close();
  await other.end();
});

test("a process that starts without its database compares its bus once the database is there, and ends", async () => {
  const url = new URL(fixture.databaseUrl);
  const door = doorTo(Number(url.port));
  const port = await listen(door, 0);
  await new Promise((resolve) => door.close(resolve));
  url.port = `${port}`;
  const child = Bun.spawn([process.execPath, path.join(import.meta.dir, "held-process.ts"), url.href], {
    stdout: "pipe",
    stderr: "inherit",
    stdin: "ignore",
  });
  const { value } = await child.stdout.getReader().read();
  expect(new TextDecoder().decode(value)).toBe("started\n");
  expect(child.exitCode).toBeNull();
  await listen(door, port);
  await child.exited;
  expect(child.signalCode).toBe("SIGTERM");
  door.close();
});

/** Lets connections through to PostgreSQL, from when it listens. */
function doorTo(port: number) {
  return createServer((socket) => {
    const other = connect(port, "127.0.0.1");
    for (const side of [socket, other]) side.on("error", () => {});
    socket.pipe(other).pipe(socket);
  });
}

async function listen(server: Server, port: number): Promise<number> {
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const address = server.address();
  return typeof address === "object" ? (address?.port ?? 0) : 0;
}
