import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { findLoggedSecrets } from "@payflow/one-machine/installation/logged-secrets.ts";
import {
  type RunningInstallation,
  startInstallation,
} from "@payflow/one-machine/installation/start-installation.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { Redis } from "ioredis";
import { documentedRoutes } from "./platform/open-api.ts";
import { adminCall, call, pay, registerTenant, type TestTenant } from "./platform/platform.ts";
import { Truth } from "./platform/truth.ts";

setDefaultTimeout(60_000);

/** Numbers that card schemes give out for tests, in the spellings that people type. */
const cards = ["4111111111111111", "5555 5555 5555 4444", "3782-822463-10005", "6011000990139424"];
const [card = ""] = cards;

let installation: RunningInstallation;
let truth: Truth;
let tenant: TestTenant;
let receiver: ReturnType<typeof Bun.serve>;
/** Everything that was shown once, and must be found nowhere. */
const shown = new Set<string>(cards);

beforeAll(async () => {
  receiver = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response(card, { status: 500 }) });
  // The most that an app can be made to say.
  installation = await startInstallation({
    isDurable: false,
    env: { LOG_LEVEL: "trace", INQUIRY_FIRST_MS: "500", INQUIRY_MAX_MS: "500", PROCESSOR_TIMEOUT_MS: "500" },
  });
  truth = new Truth(installation);
  tenant = await registerTenant(installation);
  shown.add(tenant.liveKey).add(tenant.testKey);
}, 90_000);

afterAll(async () => {
  await truth?.close();
  await receiver?.stop(true);
  await installation?.stop();
});

function logs(): { name: string; text: string }[] {
  const folder = path.join(installation.state, "logs");
  return readdirSync(folder).map((name) => ({ name, text: readFileSync(path.join(folder, name), "utf8") }));
}

/** The lines of any log that show something secret. */
function leaks(): string[] {
  const found = findLoggedSecrets(installation.state, installation.secrets);
  for (const { name, text } of logs()) {
    for (const line of text.split("\n")) {
      for (const secret of shown) if (line.includes(secret)) found.push(`${name}: ${line}`);
    }
  }
  return found;
}

const everywhere = () => ({
  description: `card ${card}`,
  metadata: { card: cards[1] ?? "", note: tenant.liveKey },
  customer_id: cards[2] ?? "",
  card_fingerprint: cards[3] ?? "",
});

const url = (app: string, route: string) => installation.url(app) + route;

test("the logs of every process are there to be searched, and a planted secret is found", async () => {
  expect(
    logs()
      .map(({ name }) => name)
      .sort(),
  ).toEqual(
    [
      ...["fraud-1.log", "ingest-1.log", "ledger-1.log", "notifier-1.log", "payment-1.log", "tenant-1.log"],
      ...["postgres.log", "redis-cache.log", "redis-durable.log"],
    ].sort(),
  );
  const planted = `planted ${card}`;
  shown.add("listening on IPv4 address");
  expect(leaks().join()).toContain("postgres.log");
  shown.delete("listening on IPv4 address");
  expect(leaks().join()).not.toContain(planted);
});

describe("no log line of any process shows a secret after", () => {
  test("keys were made, rotated, mistyped, revoked and sent where they do not belong", async () => {
    const key = tenant.liveKey;
    const made = await call(url("tenant", "/api-keys"), "POST", { key, body: { name: "one", mode: "live" } });
    const rotated = await call(url("tenant", `/api-keys/${made.body.key_id}/rotate`), "POST", {
      key,
      body: { overlap_seconds: 60 },
    });
    shown.add(made.body.api_key).add(rotated.body.api_key);
    const mistyped = `${key.slice(0, -1)}${key.endsWith("a") ? "b" : "a"}`;
    shown.add(mistyped);
    for (const app of ["tenant", "payment", "ledger", "fraud", "notifier"]) {
      for (const wrong of [mistyped, "pfk_live_short", installation.adminToken, ` ${key}`]) {
        await call(url(app, `/payments/${wrong.trim()}?key=${wrong.trim()}`), "GET", { key: wrong });
        await call(url(app, "/tenants"), "GET", { headers: { authorization: `Bearer ${wrong}` } });
      }
      const headers = { "request-id": key, traceparent: key, "user-agent": key };
      await call(url(app, "/tenants/me"), "GET", { key: mistyped, headers });
      await call(`${installation.internalUrl(app)}/internal/v1/dead-letters?group=payment`, "GET", {
        headers: { "x-internal-token": installation.secrets.internalServiceSecret.slice(1) },
      });
    }
    await call(url("tenant", `/api-keys/${made.body.key_id}`), "DELETE", { key });
    await adminCall(installation, "tenant", "POST", `/tenants/${tenant.tenantId}/suspend`);
    await adminCall(installation, "tenant", "POST", `/tenants/${tenant.tenantId}/resume`);
    expect(leaks()).toEqual([]);
  });

  test("endpoints were made, failed and had their secrets replaced", async () => {
    const key = tenant.liveKey;
    const made = await call(url("notifier", "/webhook-endpoints"), "POST", {
      key,
      body: { url: `http://127.0.0.1:${receiver.port}/${card}`, events: ["payment.settled"] },
    });
    expect(made.status).toBe(201);
    const id = made.body.endpoint_id;
    const replaced = await call(url("notifier", `/webhook-endpoints/${id}/rotate-secret`), "POST", {
      key,
      body: { overlap_seconds: 60 },
    });
    shown.add(made.body.signing_secret).add(replaced.body.signing_secret);
    expect(made.body.signing_secret).toStartWith("whsec_");
    await call(url("notifier", `/webhook-endpoints/${id}/test`), "POST", { key });
    // A secret that cannot be opened is told in the log.
    await truth.notifier`update endpoint set secret = '\\x00' where id = ${id}`;
    await call(url("notifier", `/webhook-endpoints/${id}/test`), "POST", { key });
    await eventually(() => {
      const notifier = logs().find(({ name }) => name === "notifier-1.log");
      expect(notifier?.text).toContain("a signing secret cannot be opened");
    });
    expect(leaks()).toEqual([]);
  });

  test("card numbers were put into payments of every kind, and into refused bodies", async () => {
    const key = tenant.liveKey;
    for (const method of ["pm_card_ok", "pm_card_declined", "pm_card_timeout_then_succeeded", card]) {
      await pay(installation, key, { ...everywhere(), payment_method: method });
    }
    await pay(installation, key, { ...everywhere(), amount: card, currency: card, [card]: card });
    const event = { event_type: card, event_id: cards[1], merchant_id_hash: cards[2], channel: key };
    const events = url("ingest", "/v1/events/payment_exhaust");
    const times = [new Date().toISOString(), card];
    for (const event_timestamp of times) {
      const body = { ...event, event_timestamp, payment_intent_id_hash: cards[3], processor: "stripe" };
      const taken = await call(events, "POST", { key, body });
      expect(taken.status).toBe(event_timestamp === card ? 400 : 202);
    }
    const paid = await pay(installation, key, { metadata: { card } });
    const refunds = url("payment", `/payments/${paid.body.payment_id}/refunds`);
    await call(refunds, "POST", { key, body: { amount: 10, reason: card } });
    await call(refunds, "POST", { key, body: { amount: 10_000_000, reason: card } });
    for (const route of await documentedRoutes(installation)) {
      const target = url(route.app, route.path.replace(/\{\w+\}/, card));
      const body = route.method === "GET" ? undefined : everywhere();
      await call(`${target}?cursor=${card}&limit=${card}`, route.method, { key, body });
      await call(target, route.method, {
        key,
        ...(body === undefined ? {} : { body: `{"${card}": ${key}` }),
      });
    }
    expect(leaks()).toEqual([]);
  });

  test("the database refused rows with their own words in them, in requests and in consumers", async () => {
    const tables = [
      [truth.payment, "payment"],
      [truth.ledger, "transfer"],
      [truth.fraud, "decision"],
      [truth.fraud, "second_look"],
      [truth.notifier, "message"],
    ] as const;
    for (const [sql, table] of tables) {
      await sql`alter table ${sql(table)} add constraint refuse_all check (false) not valid`;
    }
    const refused = await pay(installation, tenant.liveKey, everywhere());
    expect([refused.status, refused.body.code]).toEqual([500, "internal_error"]);
    expect(refused.text).not.toContain("refuse_all");
    await truth.payment`alter table payment drop constraint refuse_all`;
    const paid = await pay(installation, tenant.liveKey, everywhere());
    expect([201, 402]).toContain(paid.status);
    // Consumers tell of what they cannot handle, and the fifth try is the last.
    await eventually(
      () => {
        for (const name of ["ledger-1.log", "notifier-1.log", "payment-1.log"]) {
          const log = logs().find((one) => one.name === name);
          expect([name, log?.text]).toEqual([name, expect.stringContaining("refuse_all")]);
        }
      },
      { timeoutMs: 30_000 },
    );
    for (const [sql, table] of tables) {
      await sql`alter table ${sql(table)} drop constraint if exists refuse_all`;
    }
    const postgresLog = logs().find(({ name }) => name === "postgres.log")?.text ?? "";
    expect(postgresLog).toContain("refuse_all");
    expect(postgresLog).not.toContain("Failing row contains");
    expect(leaks()).toEqual([]);
  });

  test("each store was away, refused to write, or refused a password", async () => {
    const { installation: machine } = installation;
    for (const store of ["cache", "durable", "postgres"] as const) {
      await machine.stopStore(store, "SIGKILL");
      await pay(installation, tenant.liveKey, everywhere());
      await call(url("fraud", "/fraud/policy"), "GET", { key: tenant.liveKey });
      await machine.startStore(store);
    }
    for (const server of [installation.cacheRedisUrl, installation.durableRedisUrl]) {
      const redis = new Redis(server);
      await redis.config("SET", "maxmemory", "1");
      await eventually(async () => {
        const paid = await pay(installation, tenant.liveKey, everywhere());
        expect([201, 402]).toContain(paid.status);
      });
      // Long enough for a relay, a feed and a heartbeat to be refused.
      await Bun.sleep(1_000);
      await redis.config("SET", "maxmemory", "0");
      await redis.call("ACL", "SETUSER", "default", "resetpass", ">changed-for-a-moment");
      await redis.client("KILL", "TYPE", "normal", "SKIPME", "yes");
      await Bun.sleep(1_000);
      const { password } = new URL(server);
      await redis.call("ACL", "SETUSER", "default", "resetpass", `>${password}`);
      redis.disconnect();
    }
    const admin = truth.payment;
    await admin`alter role payment_service password 'changed-for-a-moment'`;
    await admin`select pg_terminate_backend(pid) from pg_stat_activity where usename = 'payment_service'`;
    await pay(installation, tenant.liveKey, everywhere());
    const { rolePasswords } = installation.secrets;
    await admin.unsafe(`alter role payment_service password '${rolePasswords.payment_service}'`);
    await eventually(async () => (await pay(installation, tenant.liveKey)).status === 201, {
      timeoutMs: 30_000,
    });
    expect(leaks()).toEqual([]);
  });

  test("every app was ended and started again", async () => {
    const { installation: machine } = installation;
    for (const app of ["tenant", "payment", "ledger", "fraud", "notifier"]) {
      await machine.stopApp(app);
      await machine.startApp(app);
    }
    expect(leaks()).toEqual([]);
  });
});
