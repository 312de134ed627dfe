import { pause } from "@payflow/service-kit/concurrency/retry.ts";

/** A merchant of a tenant's, whose events one sender sends in turn. */
export interface Merchant {
  readonly tenantId: string;
  readonly mode: "live" | "test";
  readonly key: string;
  readonly merchant: string;
}

/** What a sender was told is stored: the ids of its events, in the order in which they were sent. */
export interface Sent extends Merchant {
  readonly ids: readonly string[];
}

interface Line {
  readonly status: "accepted" | "duplicate" | "invalid" | "conflict";
}

/** What both routes answer, as far as senders look at it. */
interface Taken {
  readonly duplicate?: boolean;
  readonly sequence?: number | null;
  readonly durability?: string;
  readonly results?: readonly Line[];
}

/** Every so many requests one is sent again although it was answered. */
const repeatedEvery = 20;

/**
 * Processors' programs at work: each sends a merchant's events one by one or as lines, in order, and repeats a
 * request until it is answered, as the guide tells them to. All merchants have the same ids.
 */
export class Senders {
  readonly unexpected: string[] = [];
  readonly #url: string;
  readonly #pauseMs: number;
  readonly #happenedAt = new Date().toISOString();
  readonly #sent: (Sent & { readonly ids: string[] })[];
  readonly #working: Promise<void>[];
  #isStopping = false;
  #isAbandoned = false;

  /** `pauseMs` is the usual time between two requests of a merchant. */
  constructor(url: string, merchants: readonly Merchant[], pauseMs = 10) {
    this.#url = url;
    this.#pauseMs = pauseMs;
    this.#sent = merchants.map((merchant) => ({ ...merchant, ids: [] }));
    this.#working = this.#sent.map((one) => this.#send(one));
  }

  get sent(): readonly Sent[] {
    return this.#sent;
  }

  /** Events that are acknowledged. */
  get count(): number {
    return this.#sent.reduce((sum, { ids }) => sum + ids.length, 0);
  }

  /** Runs a test's deeds under this load, and ends once every request under way was answered. */
  async during(run: () => Promise<unknown>): Promise<void> {
    try {
      await run();
    } catch (error) {
      this.#isAbandoned = true;
      throw error;
    } finally {
      this.#isStopping = true;
      await Promise.all(this.#working);
    }
  }

  async #send(merchant: Sent & { readonly ids: string[] }): Promise<void> {
    for (let turn = 1; !this.#isStopping; turn += 1) {
      const { ids } = merchant;
      const isRepeat = turn % repeatedEvery === 0 && ids.length > 0;
      if (turn % 3 === 0) await this.#sendLines(merchant, 1 + (turn % 25), isRepeat);
      else await this.#sendOne(merchant, isRepeat);
      await pause(2 * Math.random() * this.#pauseMs);
    }
  }

  async #sendOne(merchant: Sent & { readonly ids: string[] }, isRepeat: boolean): Promise<void> {
    const { ids } = merchant;
    const id = isRepeat ? (ids.at(-1) ?? "") : idOf(ids.length + 1);
    const body = JSON.stringify(this.#event(merchant.merchant, id));
    const { taken, tries } = await this.#untilTaken(
      "/v1/events/payment_exhaust",
      "application/json",
      body,
      merchant,
    );
    if (taken === null) return;
    if (!isRepeat) ids.push(id);
    // A request that broke off may have been stored, so that its repeat is a duplicate.
    const isAsExpected = isRepeat ? taken.duplicate === true : tries > 1 || taken.sequence === ids.length;
    if (!isAsExpected) this.unexpected.push(`${merchant.merchant} ${id}: ${JSON.stringify(taken)}`);
  }

  async #sendLines(
    merchant: Sent & { readonly ids: string[] },
    count: number,
    isRepeat: boolean,
  ): Promise<void> {
    const { ids } = merchant;
    const fresh = Array.from({ length: count }, (_, index) => idOf(ids.length + 1 + index));
    const all = isRepeat ? [ids.at(-1) ?? "", ...fresh, fresh[0] ?? ""] : fresh;
    const body = all.map((id) => JSON.stringify(this.#event(merchant.merchant, id))).join("\n");
    const { taken, tries } = await this.#untilTaken("/v1/events", "application/x-ndjson", body, merchant);
    if (taken === null) return;
    ids.push(...fresh);
    const statuses = taken.results?.map(({ status }) => status) ?? [];
    const usual = isRepeat
      ? ["duplicate", ...fresh.map(() => "accepted"), "duplicate"]
      : fresh.map(() => "accepted");
    const isAsExpected =
      statuses.length === all.length &&
      (tries > 1
        ? statuses.every((status) => status === "accepted" || status === "duplicate")
        : Bun.deepEquals(statuses, usual));
    if (!isAsExpected) this.unexpected.push(`${merchant.merchant} ${all}: ${statuses}`);
  }

  #event(merchant: string, id: string) {
    return {
      event_type: "payment_failed",
      event_timestamp: this.#happenedAt,
      event_id: id,
      merchant_id_hash: merchant,
      payment_intent_id_hash: `intent-of-${id}`,
      processor: "stripe",
      failure_category: "processor_timeout",
      retry_count: 1,
      geo_bucket: "US",
    };
  }

  async #untilTaken(
    route: string,
    type: string,
    body: string,
    { key }: Merchant,
  ): Promise<{ taken: Taken | null; tries: number }> {
    const headers = { "x-api-key": key, "content-type": type };
    for (let tries = 1; !this.#isAbandoned; tries += 1) {
      try {
        const signal = AbortSignal.timeout(15_000);
        const answer = await fetch(this.#url + route, { method: "POST", headers, body, signal });
        const text = await answer.text();
        if (answer.status === 202) return { taken: JSON.parse(text), tries };
        if (answer.status < 500) {
          this.unexpected.push(`${answer.status} ${text}`);
          return { taken: null, tries };
        }
      } catch {
        // The connection broke with the process; the events' ids make the repetition safe.
      }
      // Two minutes of repeating are far beyond any take-over.
      if (tries > 1_200) {
        this.unexpected.push(`never taken: ${body.slice(0, 200)}`);
        return { taken: null, tries };
      }
      await pause(100);
    }
    return { taken: null, tries: 0 };
  }
}

const idOf = (number: number) => `event-${number}`;
