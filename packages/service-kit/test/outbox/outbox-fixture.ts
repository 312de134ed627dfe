import path from "node:path";
import type { EventEnvelope } from "@payflow/contracts/events.ts";
import { testEvents } from "@payflow/testkit/bus/events.ts";
import { record } from "@payflow/testkit/bus/space.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { testPostgres } from "@payflow/testkit/postgres.ts";
import { type TestRedis, testRedis } from "@payflow/testkit/redis.ts";
import type { EventBus } from "../../src/bus/bus.ts";
import { insertOutbox } from "../../src/outbox/outbox.ts";
import { type Relay, type RelayOptions, startRelay } from "../../src/outbox/relay.ts";
import { connectDatabase, type Sql } from "../../src/store/database.ts";
import { createLogger } from "../../src/telemetry/logging.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { openBus } from "../bus/redis-adapter.ts";
import type { RelayOrder } from "./relay-process.ts";

export const logger = createLogger("outbox-test", process.env.LOG_LEVEL ?? "fatal");

/** An outbox on PostgreSQL and a bus on Redis, with the ledger's group reading what arrives. */
export class OutboxFixture {
  readonly arrived: EventEnvelope[] = [];
  readonly #endings: (() => Promise<unknown>)[] = [];

  private constructor(
    readonly sql: Sql,
    readonly adminUrl: string,
    readonly databaseUrl: string,
    readonly redis: TestRedis,
    readonly busSettings: string,
    readonly bus: EventBus,
  ) {}

  static async start(): Promise<OutboxFixture> {
    const migrations = path.join(import.meta.dir, "migrations");
    const [database, redis] = await Promise.all([testPostgres({ name: "relay", migrations }), testRedis()]);
    const connection = connectDatabase(database.serviceUrl, { name: "outbox-test", max: 6 });
    const settings = JSON.stringify({ url: redis.durable.url, prefix: "bus" });
    const bus = await openBus(settings, "outbox-test");
    const { adminUrl, serviceUrl } = database;
    const fixture = new OutboxFixture(connection.sql, adminUrl, serviceUrl, redis.durable, settings, bus);
    fixture.#endings.push(
      () => redis.close(),
      () => database.drop(),
      () => connection.close(),
      () => bus.close(),
    );
    await record(bus, "ledger", ["payment.settled"], async (_topic, events) => {
      fixture.arrived.push(...events);
    });
    return fixture;
  }

  /** Commits events in many transactions, as an app does: `rounds` of one event per key. */
  async commit(keys: readonly string[], rounds: number): Promise<EventEnvelope[]> {
    const events = testEvents("payment.settled", keys, rounds);
    for (let round = 0; round < rounds; round += 1) {
      const part = events.slice(round * keys.length, (round + 1) * keys.length);
      await this.sql.begin((transaction) => insertOutbox(transaction, part));
    }
    return events;
  }

  relay(options: Partial<RelayOptions> = {}): Relay {
    const metrics = new Metrics("outbox-test");
    const relay = startRelay({
      service: "outbox-test",
      sql: this.sql,
      bus: this.bus,
      busName: "redis",
      logger,
      metrics,
      ...options,
    });
    this.#endings.push(() => relay.stop());
    return relay;
  }

  /** A relay in a process of its own. */
  async relayProcess(order: Partial<RelayOrder> = {}): Promise<Bun.Subprocess> {
    const full: RelayOrder = { databaseUrl: this.databaseUrl, bus: this.busSettings, ...order };
    const child = Bun.spawn(
      [process.execPath, path.join(import.meta.dir, "relay-process.ts"), JSON.stringify(full)],
      { stdout: "pipe", stderr: "inherit", stdin: "ignore" },
    );
    this.#endings.push(async () => {
      child.kill("SIGKILL");
      await child.exited;
    });
    await child.stdout.getReader().read();
    return child;
  }

  /** Waits until every one of the events has arrived at least once and the outbox is empty. */
  async drained(events: readonly EventEnvelope[], timeoutMs = 20_000): Promise<void> {
    await eventually(
      () => {
        const ids = new Set(this.arrived.map((event) => event.event_id));
        return events.every((event) => ids.has(event.event_id));
      },
      { timeoutMs },
    );
    await eventually(async () => (await this.waiting()) === 0);
  }

  async waiting(): Promise<number> {
    const [row] = await this.sql<{ count: number }[]>`select count(*)::int as count from outbox`;
    return row?.count ?? 0;
  }

  /** Who holds how many shards now. */
  async holders(): Promise<Map<string, number>> {
    const rows = await this.sql<{ holder: string; count: number }[]>`
      select holder, count(*)::int as count from lease
       where name ~ '^outbox/[0-9]+$' and expires_at > now() group by holder`;
    return new Map(rows.map((row) => [row.holder, row.count]));
  }

  async end(): Promise<void> {
    for (const end of this.#endings.reverse()) await end();
  }
}
