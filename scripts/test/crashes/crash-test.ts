import { expect } from "bun:test";
import type { RunningInstallation } from "@payflow/one-machine/installation/start-installation.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { call, raiseLimits, registerTenant, type TestTenant } from "../platform/platform.ts";
import { Traffic, type TrafficOptions } from "../platform/traffic.ts";
import { Truth } from "../platform/truth.ts";

const apps = ["payment", "ledger", "notifier", "fraud", "tenant"];

/** An installation of two replicas with a tenant and the server its webhooks go to, for tests that kill. */
export class CrashTest {
  readonly #settledWebhooks = new Map<string, Set<string>>();
  readonly #receiver: Bun.Server<undefined>;
  readonly truth: Truth;

  private constructor(
    readonly installation: RunningInstallation,
    readonly tenant: TestTenant,
  ) {
    this.truth = new Truth(installation);
    this.#receiver = this.#listen();
  }

  static async start(installation: RunningInstallation): Promise<CrashTest> {
    const tenant = await registerTenant(installation);
    await raiseLimits(installation, tenant);
    const made = new CrashTest(installation, tenant);
    const hook = await call(`${installation.url("tenant")}/tenants/${tenant.tenantId}/webhook`, "PUT", {
      key: tenant.liveKey,
      body: { url: `http://127.0.0.1:${made.#receiver.port}/hook` },
    });
    expect(hook.status).toBe(200);
    return made;
  }

  async close(): Promise<void> {
    await this.truth.close();
    await this.#receiver.stop(true);
  }

  /** Callers at work. */
  traffic(callers: number, options: TrafficOptions = {}): Traffic {
    return new Traffic(this.installation, this.tenant, callers, options);
  }

  /** Kills one replica of each app by `kill -9` and waits until it is back; of payment, the one that relays. */
  async killEachApp(round: number): Promise<void> {
    for (const app of apps) {
      await Bun.sleep(100 + Math.random() * 400);
      const replica = app === "payment" ? await this.#relayHolder() : 1 + (round % 2);
      this.installation.installation.kill(app, replica, "SIGKILL");
      await this.#ready(app, replica);
    }
  }

  /**
   * Asserts, once all is settled, that what was acknowledged is there once, that nothing else is, that
   * payment, processor and ledger tell one story, and that each final payment was told of by one webhook.
   */
  async holds(traffics: readonly Traffic[]): Promise<void> {
    const acknowledged = traffics.flatMap((traffic) => traffic.acknowledged);
    expect(traffics.flatMap((traffic) => traffic.unexpected)).toEqual([]);
    await this.truth.settled(120_000);
    await this.truth.addsUp();
    const ids = acknowledged.map((one) => one.paymentId);
    const stored = await this.truth.payment`
      select id, status, fraud_decision from payment where tenant_id = ${this.tenant.tenantId}`;
    expect(new Set(ids).size).toBe(ids.length);
    expect(new Set(stored.map((row) => row.id))).toEqual(new Set(ids));
    const final = stored.filter(
      (row) =>
        ["succeeded", "failed", "voided", "expired"].includes(row.status) ||
        (row.status === "flagged" && row.fraud_decision === "block"),
    );
    await eventually(
      () => {
        const missing = final.filter((row) => !this.#settledWebhooks.has(row.id)).length;
        expect(missing).toBe(0);
      },
      { timeoutMs: 120_000 },
    );
    for (const webhookIds of this.#settledWebhooks.values()) expect(webhookIds.size).toBe(1);
  }

  #listen(): Bun.Server<undefined> {
    return Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: async (request) => {
        // What the notifier sends: each event names its payment.
        const body = (await request.json()) as { event: string; payment_id: string };
        if (body.event === "payment.settled") {
          const ids = this.#settledWebhooks.get(body.payment_id) ?? new Set();
          this.#settledWebhooks.set(body.payment_id, ids.add(request.headers.get("webhook-id") ?? ""));
        }
        return new Response(null, { status: 204 });
      },
    });
  }

  /** The payment replica that holds most of the relay's leases. */
  async #relayHolder(): Promise<number> {
    const rows = await this.truth.payment`
      select split_part(holder, '/', 2)::int as pid, count(*)::int as count from lease
      where name like '%outbox%' and expires_at > now() group by 1 order by 2 desc`;
    const pids = [1, 2].map(
      (replica) => this.installation.installation.process("payment", replica)?.pid ?? null,
    );
    const found = rows.map((row) => pids.indexOf(row.pid) + 1).find((replica) => replica > 0);
    return found ?? 1;
  }

  async #ready(app: string, replica: number): Promise<void> {
    const url = `${this.installation.replicaUrl(app, replica)}/readyz`;
    await eventually(async () => (await fetch(url)).ok, { timeoutMs: 60_000 });
  }
}
