import type { Deliveries } from "./delivery.ts";

/**
 * What is shown of endpoints' deliveries, which changes once in a while at most although they change with
 * each message. That an endpoint was given up, or taken up again, is shown at once.
 */
export class DeliveryReports {
  readonly #everyMs: number;
  readonly #shown = new Map<string, { readonly deliveries: Deliveries; readonly at: number }>();

  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  /** What to show now: what was shown before, until it is time for the news. */
  toShow(key: string, news: Deliveries, now: Date): Deliveries {
    const shown = this.#shown.get(key);
    const at = now.getTime();
    const isUrgent = shown?.deliveries.auto_disabled !== news.auto_disabled;
    if (shown !== undefined && !isUrgent && at < shown.at + this.#everyMs) return shown.deliveries;
    if (shown === undefined || JSON.stringify(shown.deliveries) !== JSON.stringify(news)) {
      this.#shown.set(key, { deliveries: news, at });
    }
    return news;
  }

  forget(key: string): void {
    this.#shown.delete(key);
  }
}
