import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { eventually } from "@payflow/testkit/eventually.ts";
import postgres, { type Sql } from "postgres";
import { fingerprintOf } from "../../src/webhook-endpoint/signing/signing.ts";
import { webhookEndpointKind } from "../../src/webhook-endpoint/webhook-endpoint.resource.ts";
import { pick, seeded } from "../kubernetes/seeded-faults.ts";
import { secretKind } from "../setup/resources.ts";
import { Workplace } from "../setup/workplace.ts";
import { expectKeysInOrder } from "../tenant/key-checks.ts";
import { TenantHandle } from "../tenant/tenants.ts";
import { type Family, makeFamily, settled } from "./fleet.ts";
import { proxiedApi } from "./proxy.ts";
import { seededTroubles } from "./troubles.ts";

setDefaultTimeout(300_000);

const seeds = process.env.PAYFLOW_THOROUGH === "1" ? 20 : 2;

let place: Workplace;
let api: ReturnType<typeof proxiedApi>;
let databases: Sql[];
const met = new Set<string>();

beforeAll(async () => {
  place = await Workplace.make({ env: { DELIVERY_STATUS_SECONDS: "2" } });
  api = proxiedApi(place.cluster, place);
  databases = ["tenant", "notifier"].map((name) =>
    postgres(place.apps.databaseUrl(name, "superuser"), { max: 2, onnotice: () => {} }),
  );
}, 300_000);

afterAll(async () => {
  for (const database of databases ?? []) await database.end({ timeout: 2 });
  await place?.close();
  await api?.proxy.stop();
});

const disturbances = ["rotate", "limit", "unmake", "edit", "spec", "status"] as const;

/** What users and hands do meanwhile. */
async function disturb(family: Family, what: (typeof disturbances)[number], step: number): Promise<void> {
  const { shop } = place;
  const [[policyKind, policy], [tenantKind, tenant], [endpointKind, endpoint]] = family.members as never as [
    Family["members"][0],
    Family["members"][0],
    Family["members"][0],
  ];
  const [apiKey = "", signing = ""] = family.secrets;
  if (what === "rotate") {
    await shop.annotate(tenantKind, tenant, { "payflow.dev/rotate-now": `${step}` });
    await shop.annotate(endpointKind, endpoint, { "payflow.dev/rotate-now": `${step}` });
  } else if (what === "limit") {
    await shop.patch(tenantKind, tenant, { spec: { limits: { burst: 1_000 + step } } });
  } else if (what === "unmake") {
    await shop.remove(secretKind, signing).catch(() => {});
  } else if (what === "edit") {
    await shop.patch(secretKind, apiKey, { data: { "api-key": btoa("theirs") } }).catch(() => {});
  } else if (what === "spec") {
    await shop.patch(policyKind, policy, { spec: { failMode: step % 2 === 0 ? "Allow" : "Review" } });
  } else {
    await shop.patch(endpointKind, endpoint, { spec: { url: `http://127.0.0.1:9/${step}` } });
  }
}

/** Waits until all is as the resources say, in every place. */
async function expectRight(family: Family): Promise<void> {
  const [, tenant, endpoint] = family.members.map(([, name]) => name);
  const [tenants, notifier] = databases as [Sql, Sql];
  await eventually(
    async () => {
      await settled(place, [family], 1_000);
      await expectKeysInOrder(new TenantHandle(place, tenants, tenant ?? ""));
      const found = await place.shop.get(webhookEndpointKind, endpoint ?? "");
      const secret = (await place.shop.secret(family.secrets[1] ?? ""))?.["signing-secret"] ?? "";
      expect(found?.status.signing.fingerprint).toBe(fingerprintOf(secret));
      const [row] = await notifier`select url, enabled from endpoint where id = ${found?.status.endpointId}`;
      expect(row).toEqual({ url: found?.spec.url, enabled: true });
    },
    { timeoutMs: 60_000, everyMs: 200 },
  );
}

test.each(Array.from({ length: seeds }, (_, index) => index + 1))(
  "whatever goes wrong between it and the API server, all ends as the resources say (seed %d)",
  async (seed) => {
    const random = seeded(seed);
    const troubles = seededTroubles(seed);
    api.proxy.intercept = troubles.intercept;
    // Watches that were opened before would be spared.
    const operator = await place.startOperator({ kubeconfig: api.kubeconfig });
    const families: Family[] = [];
    for (let phase = 0; phase < 3; phase += 1) {
      troubles.setCalm(false);
      const rotation = { overlap: "2s" };
      const specs = { tenant: { apiKey: { rotation } }, endpoint: { signing: { rotation } } };
      families.push(await makeFamily(place, specs));
      for (let step = 0; step < 12; step += 1) {
        await disturb(pick(random, families), pick(random, disturbances), phase * 100 + step);
      }
      troubles.setCalm(true);
      for (const family of families) await expectRight(family);
    }
    for (const trouble of troubles.met.keys()) met.add(trouble);
    expect(await operator.stop()).toBe(0);
  },
);

test("all kinds of trouble were among it", () => {
  const wanted = ["429", "500", "410", "reset", "lost", "twice", "late", "cut", "error", "end"];
  expect(wanted.filter((one) => !met.has(one))).toEqual([]);
});
