import { governedId } from "@payflow/contracts/internal-operator.ts";
import type { GovernedKey, InternalTenant } from "@payflow/contracts/internal-tenant.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import postgres, { type Sql } from "postgres";
import { tenantKind } from "../../src/tenant/tenant.resource.ts";
import { conditionOf, type Found, type Namespace } from "../setup/resources.ts";
import { Workplace, type WorkplaceOptions } from "../setup/workplace.ts";

const waiting = { timeoutMs: 150_000, everyMs: 50 };

/** A place with a look into the tenant app's database, for what nobody but a hand or a backup does there. */
export async function tenantPlace(options: WorkplaceOptions = {}) {
  const place = await Workplace.make(options);
  const database = postgres(place.apps.databaseUrl("tenant", "superuser"), { max: 2, onnotice: () => {} });
  let count = 0;
  return {
    place,
    database,
    async create(spec: object = {}, metadata: object = {}): Promise<TenantHandle> {
      count += 1;
      const name = `tenant-${count}`;
      const whole = { displayName: "Acme", contactEmail: "owner@example.com", mode: "test", currency: "INR" };
      await place.shop.create(tenantKind, name, { ...whole, ...spec }, metadata);
      return new TenantHandle(place, database, name);
    },
    async close(): Promise<void> {
      await database.end({ timeout: 2 });
      await place.close();
    },
  };
}

export type TenantPlace = Awaited<ReturnType<typeof tenantPlace>>;

/** A Tenant of a test's own, and what has become of it. */
export class TenantHandle {
  readonly name: string;
  readonly place: Workplace;
  readonly #database: Sql;

  constructor(place: Workplace, database: Sql, name: string) {
    this.place = place;
    this.#database = database;
    this.name = name;
  }

  get shop(): Namespace {
    return this.place.shop;
  }

  get secretName(): string {
    return `${this.name}-api-key`;
  }

  get(): Promise<Found | undefined> {
    return this.shop.get(tenantKind, this.name);
  }

  change(spec: object): Promise<Found> {
    return this.shop.patch(tenantKind, this.name, { spec });
  }

  annotate(annotations: Readonly<Record<string, string | null>>): Promise<Found> {
    return this.shop.annotate(tenantKind, this.name, annotations);
  }

  remove(): Promise<void> {
    return this.shop.remove(tenantKind, this.name);
  }

  /** Waits until it is ready, as it is wanted now. */
  async ready(): Promise<Found> {
    return eventually(async () => {
      const found = await this.get();
      if (conditionOf(found, "Ready")?.status === "True") return found ?? false;
      throw new Error(`not ready: ${JSON.stringify(found?.status)}\n${await this.lastLog()}`);
    }, waiting);
  }

  /** Waits for a condition of the present generation. */
  async condition(type: string, status: string, reason?: string) {
    return eventually(async () => {
      const found = conditionOf(await this.get(), type);
      if (found?.status === status && (reason ?? found.reason) === found.reason) return found;
      throw new Error(`${type} is ${JSON.stringify(found)}`);
    }, waiting);
  }

  async gone(): Promise<void> {
    await eventually(async () => (await this.get()) === undefined, waiting);
  }

  secret(): Promise<Readonly<Record<string, string>> | undefined> {
    return this.shop.secret(this.secretName);
  }

  /** The key in use; waits until there is one. */
  async key(entry = "api-key"): Promise<string> {
    return eventually(async () => (await this.secret())?.[entry] ?? false, waiting);
  }

  /** The tenant as its app has it. */
  async inApp(): Promise<InternalTenant> {
    const id = (await this.get())?.status.tenantId;
    const url = `${this.place.apps.internalUrl("tenant")}/internal/v1/tenants/${id}`;
    const answer = await fetch(url, { headers: this.internal });
    if (answer.status !== 200) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as InternalTenant;
  }

  /** The operator's keys of the tenant that work. */
  async activeKeys(): Promise<GovernedKey[]> {
    return (await this.inApp()).keys.filter((key) => key.is_active);
  }

  /** All of the operator's keys that the app knows; none where there is no tenant yet. */
  async keysIfAny(): Promise<GovernedKey[]> {
    const id = governedId("ten", (await this.get())?.metadata.uid ?? "");
    const url = `${this.place.apps.internalUrl("tenant")}/internal/v1/tenants/${id}`;
    const answer = await fetch(url, { headers: this.internal });
    return answer.status === 200 ? ((await answer.json()) as InternalTenant).keys : [];
  }

  /** What a payment with this key is answered. */
  async pay(key: string, amount = 100): Promise<Response> {
    return fetch(`${this.place.apps.url("payment")}/payments`, {
      method: "POST",
      headers: {
        ...{ "x-api-key": key, "content-type": "application/json" },
        "idempotency-key": crypto.randomUUID(),
      },
      body: JSON.stringify({ amount, currency: "INR" }),
    });
  }

  /** What a question with this key is answered; it changes nothing. 503 says nothing of the key: once more. */
  async ask(key: string): Promise<number> {
    const url = `${this.place.apps.url("payment")}/payments?limit=1`;
    return eventually(async () => {
      const { status } = await fetch(url, { headers: { "x-api-key": key } });
      return status === 503 ? false : status;
    }, waiting);
  }

  /** Changes columns of the tenant's row behind everybody's back. */
  async tamper(columns: Readonly<Record<string, unknown>>): Promise<void> {
    const id = (await this.get())?.status.tenantId;
    await this.#database`update tenant set ${this.#database(columns)} where tenant_id = ${id}`;
  }

  /** The reasons and notes of its Events. */
  async events(): Promise<{ readonly reason: string; readonly note: string; readonly type: string }[]> {
    const path = `/apis/events.k8s.io/v1/namespaces/${this.shop.name}/events`;
    const { body } = await this.place.cluster.request("GET", path);
    return body.items.filter(
      ({ regarding }: { regarding?: { name?: string } }) => regarding?.name === this.name,
    );
  }

  async eventOf(reason: string) {
    return eventually(
      async () => (await this.events()).find((event) => event.reason === reason) ?? false,
      waiting,
    );
  }

  private get internal() {
    return { "x-internal-token": this.place.apps.secrets.internalServiceSecret };
  }

  private async lastLog(): Promise<string> {
    const logs = await Promise.all(this.place.operators.map((one) => one.log()));
    return logs.map((log) => log.split("\n").slice(-8).join("\n")).join("\n");
  }
}
