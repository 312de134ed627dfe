import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { scopes } from "@payflow/contracts/access.ts";
import {
  type RunningInstallation,
  startInstallation,
} from "@payflow/one-machine/installation/start-installation.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { type DocumentedRoute, documentedApps, documentedRoutes, sample } from "./platform/open-api.ts";
import { call, pay, registerTenant, type TestTenant } from "./platform/platform.ts";

let installation: RunningInstallation;
let routes: DocumentedRoute[];
let owner: TestTenant;
let stranger: TestTenant;
/** An object of the owner's, in live mode, for each path that takes an id. */
let ids: Record<string, string>;

beforeAll(async () => {
  installation = await startInstallation({ isDurable: false });
  routes = await documentedRoutes(installation);
  owner = await registerTenant(installation);
  stranger = await registerTenant(installation);
  ids = await makeObjects();
}, 60_000);

afterAll(() => installation?.stop());

async function makeObjects(): Promise<Record<string, string>> {
  const key = owner.liveKey;
  const url = (app: string, path: string) => installation.url(app) + path;
  const hook = { url: "http://127.0.0.1:9/hook", events: ["payment.settled"] };
  const endpoint = await call(url("notifier", "/webhook-endpoints"), "POST", { key, body: hook });
  const payment = await pay(installation, key, { amount: 900_000 });
  const settled = await pay(installation, key);
  const refund = await call(url("payment", `/payments/${settled.body.payment_id}/refunds`), "POST", {
    key,
    body: { amount: 100 },
  });
  const apiKey = await call(url("tenant", "/api-keys"), "POST", {
    key,
    body: { name: "spare", mode: "live" },
  });
  const journal = await eventually(async () => {
    const list = await call(url("ledger", "/ledger/transactions"), "GET", { key });
    expect(list.body.data).not.toBeEmpty();
    return list.body.data[0].journal_id;
  });
  const delivery = await eventually(async () => {
    const list = await call(url("notifier", "/webhook-deliveries"), "GET", { key });
    expect(list.body.data).not.toBeEmpty();
    return list.body.data[0].delivery_id;
  });
  await eventually(async () => {
    const decision = await call(url("fraud", `/fraud/decisions/${settled.body.payment_id}`), "GET", { key });
    expect(decision.status).toBe(200);
  });
  return {
    "/payments": payment.body.payment_id,
    "/refunds": refund.body.refund_id,
    "/api-keys": apiKey.body.key_id,
    "/tenants": owner.tenantId,
    "/ledger": journal,
    "/fraud": settled.body.payment_id,
    "/webhook-endpoints": endpoint.body.endpoint_id,
    "/webhook-deliveries": delivery,
  };
}

const withId = () => routes.filter((route) => route.path.includes("{") && !route.isAdmin);

function target(route: DocumentedRoute): string {
  const id = ids[`/${route.path.split("/")[1]}`];
  if (id === undefined) throw new Error(`no object to ask ${route.path} for: add one to makeObjects`);
  return installation.url(route.app) + route.path.replace(/\{\w+\}/, id);
}

/** Everything the owner can read of its live objects, apart from the marks that reading itself leaves. */
async function everything(): Promise<string> {
  const reads = routes.filter((route) => route.method === "GET" && !route.isAdmin);
  const texts = await Promise.all(
    reads.map(async (route) => {
      const url = route.path.includes("{") ? target(route) : installation.url(route.app) + route.path;
      const { status, text } = await call(url, "GET", { key: owner.liveKey });
      return `${route.path} ${status} ${text.replaceAll(/"(as_of|last_used_at)":("[^"]*"|null)/g, "")}`;
    }),
  );
  return texts.join("\n");
}

/**
 * Deliveries to the dead address go on by themselves, and insights tell until when they have counted: neither
 * is a stranger's doing.
 */
const withoutProgress = (text: string) =>
  text
    .split("\n")
    .filter((line) => !line.startsWith("/webhook-deliveries"))
    .join("\n")
    .replaceAll(/"(?:from|to|previous_from|counted_until)":"[^"]*"/g, "");

describe("another tenant and the other mode", () => {
  test("see none of the owner's objects and change nothing, on any route that takes an id", async () => {
    expect(withId().length).toBeGreaterThan(12);
    const before = withoutProgress(await everything());
    for (const route of withId()) {
      // The default webhook belongs to the tenant, in both modes.
      const keys =
        route.path === "/tenants/{id}/webhook"
          ? [stranger.liveKey]
          : [stranger.liveKey, stranger.testKey, owner.testKey];
      for (const key of keys) {
        const body = route.body === undefined ? undefined : sample(route.body);
        const answer = await call(target(route), route.method, {
          key,
          ...(body === undefined ? {} : { body }),
        });
        expect([route.method, route.path, answer.status, answer.body.code]).toEqual([
          route.method,
          route.path,
          404,
          "not_found",
        ]);
      }
    }
    expect(withoutProgress(await everything())).toBe(before);
  }, 60_000);

  test("find the same answer for a malformed id as for no object", async () => {
    for (const route of withId().filter((one) => one.method === "GET")) {
      const url = installation.url(route.app) + route.path.replace(/\{\w+\}/, "%00'--nothing");
      const answer = await call(url, "GET", { key: owner.liveKey });
      expect([route.path, answer.status, answer.body.code]).toEqual([route.path, 404, "not_found"]);
    }
  });

  test("find nothing of the owner's in any list", async () => {
    const lists = routes.filter(
      (route) => route.method === "GET" && !route.path.includes("{") && !route.isAdmin,
    );
    expect(lists.length).toBeGreaterThan(6);
    for (const route of lists) {
      for (const key of [stranger.liveKey, owner.testKey]) {
        const { text } = await call(installation.url(route.app) + route.path, "GET", { key });
        for (const id of Object.entries(ids)
          .filter(([path]) => path !== "/tenants")
          .map(([, one]) => one)) {
          expect(text).not.toContain(id);
        }
      }
    }
  });
});

describe("scopes", () => {
  test("every route that has one refuses a key without it, and admin routes refuse tenants' keys", async () => {
    for (const missing of scopes) {
      const rest = scopes.filter((scope) => scope !== missing);
      const made = await call(`${installation.url("tenant")}/api-keys`, "POST", {
        key: owner.liveKey,
        body: { name: `without ${missing}`, mode: "live", scopes: rest },
      });
      expect(made.status).toBe(201);
      for (const route of routes.filter((one) => one.scope === missing)) {
        const url = route.path.includes("{") ? target(route) : installation.url(route.app) + route.path;
        const body = route.body === undefined ? undefined : sample(route.body);
        const answer = await call(url, route.method, {
          key: made.body.api_key,
          ...(body === undefined ? {} : { body }),
        });
        expect([route.path, answer.status, answer.body.code]).toEqual([
          route.path,
          403,
          "insufficient_scope",
        ]);
      }
    }
    for (const route of routes.filter((one) => one.isAdmin && one.path !== "/tenants/register")) {
      const url = installation.url(route.app) + route.path.replace(/\{\w+\}/, owner.tenantId);
      const answer = await call(url, route.method, {
        key: owner.liveKey,
        body: route.method === "GET" ? undefined : {},
      });
      expect([route.path, answer.status]).toEqual([route.path, 401]);
    }
  }, 60_000);
});

test("unknown paths are 404 before anybody asks for a key, and internal routes are not on public ports", async () => {
  for (const app of documentedApps) {
    for (const path of [
      "/nothing",
      "/internal/v1/scores",
      "/internal/v1/keys/verify",
      "/metrics",
      "/livez",
    ]) {
      const answer = await call(installation.url(app) + path, "POST", { body: {} });
      expect([app, path, answer.status, answer.body.code]).toEqual([app, path, 404, "not_found"]);
    }
    const internal = await call(`${installation.internalUrl(app)}/internal/v1/dead-letters`, "GET");
    expect([401, 404]).toContain(internal.status);
  }
});
