import { randomUUID } from "node:crypto";
import type { RunningInstallation } from "@payflow/one-machine/installation/start-installation.ts";
import { call, type TestTenant } from "./platform.ts";

/** A payment that was acknowledged with a final or open state: what was sent, and what came back. */
export interface Acknowledged {
  readonly paymentId: string;
  readonly idempotencyKey: string;
  readonly status: number;
}

export interface TrafficOptions {
  /** What each caller pays with, in turn; when left out, also cards whose answer is lost for seconds. */
  readonly methods?: readonly string[];
  /** Between an answer and the caller's next payment; when left out, none where a run is thorough. */
  readonly pauseMs?: number;
}

/** Callers that never rest take all processors for as long as a test waits, and hold up those beside it. */
const usualPauseMs = process.env.PAYFLOW_THOROUGH === undefined ? 40 : 0;

/** Settings of payment's with which a payment whose answer is lost comes to its end within a few seconds. */
export const shortWaits = {
  PROCESSOR_TIMEOUT_MS: "2000",
  INQUIRY_FIRST_MS: "500",
  INQUIRY_MAX_MS: "1000",
} as const;

const allMethods = [
  "pm_card_ok",
  "pm_card_ok",
  "pm_card_random",
  "pm_card_declined",
  "pm_card_timeout_then_succeeded",
  "pm_card_timeout_then_failed",
];

/**
 * Tenants' programs at work: each sends a payment and, when the connection breaks or the answer is 5xx or
 * 409, repeats it with the same key until it is answered, as every guide tells them to.
 */
export class Traffic {
  readonly acknowledged: Acknowledged[] = [];
  readonly unexpected: string[] = [];
  /** Answers with 5xx that are not the documented 503: `unavailable`, with when to come again. */
  readonly serverErrors: string[] = [];
  /** Answers with that documented 503, which say what was away. */
  readonly unavailable: string[] = [];
  #isStopping = false;
  #isAbandoned = false;
  readonly #options: TrafficOptions;
  readonly #callers: Promise<void>[];

  constructor(
    installation: Pick<RunningInstallation, "url">,
    tenant: Pick<TestTenant, "liveKey">,
    callers: number,
    options: TrafficOptions = {},
  ) {
    this.#options = options;
    const url = `${installation.url("payment")}/payments`;
    this.#callers = Array.from({ length: callers }, (_, index) => this.#caller(url, tenant.liveKey, index));
  }

  /** Ends after every request under way was answered. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#callers);
  }

  /**
   * Runs a test's deeds under this load and then ends it; when they fail, without the patience that the
   * callers have.
   */
  async during(run: () => Promise<unknown>): Promise<void> {
    try {
      await run();
    } catch (error) {
      this.#isAbandoned = true;
      throw error;
    } finally {
      await this.stop();
    }
  }

  async #caller(url: string, key: string, index: number): Promise<void> {
    const { methods = allMethods, pauseMs = usualPauseMs } = this.#options;
    for (let count = index; !this.#isStopping; count += 1) {
      const idempotencyKey = randomUUID();
      const body = {
        amount: count % 17 === 0 ? 600_000 : 100 + (count % 5_000),
        currency: "INR",
        customer_id: count % 13 === 0 ? `busy-${index}` : randomUUID(),
        payment_method: methods[count % methods.length],
        capture_method: count % 7 === 0 ? "manual" : "automatic",
      };
      await this.#pay(url, key, idempotencyKey, body);
      await Bun.sleep(pauseMs);
    }
  }

  async #pay(url: string, key: string, idempotencyKey: string, body: object): Promise<void> {
    // Two minutes of repeating is far beyond any take-over.
    for (let attempt = 0; attempt < 240 && !this.#isAbandoned; attempt += 1) {
      try {
        const answer = await call(url, "POST", { key, body, idempotencyKey });
        if ([200, 201, 202, 402].includes(answer.status)) {
          this.acknowledged.push({
            paymentId: answer.body.payment_id,
            idempotencyKey,
            status: answer.status,
          });
          return;
        }
        const isDocumented =
          answer.status === 503 && answer.body.code === "unavailable" && answer.headers.has("retry-after");
        if (isDocumented) this.unavailable.push(`${new Date().toISOString()} ${answer.text}`);
        if (answer.status >= 500 && !isDocumented) this.serverErrors.push(`${answer.status} ${answer.text}`);
        if (answer.status < 500 && answer.status !== 409) {
          this.unexpected.push(`${answer.status} ${answer.text}`);
          return;
        }
      } catch {
        // The connection broke with the process; the same key makes the repetition safe.
      }
      await Bun.sleep(500);
    }
    this.unexpected.push(`${idempotencyKey} was never answered`);
  }
}
