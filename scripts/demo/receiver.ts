import { Webhook } from "standardwebhooks";

export interface ReceivedWebhook {
  readonly id: string;
  /** The field `event` of the body: `payment.settled`. */
  readonly event: string;
  readonly body: Record<string, unknown>;
}

/**
 * A tenant's webhook receiver. Signatures are verified by the reference library of Standard Webhooks, which
 * shares no code with what signed them.
 */
export class WebhookReceiver {
  readonly received: ReceivedWebhook[] = [];
  /** Requests whose signature did not hold. */
  refused = 0;
  #secret: string | undefined;
  readonly #server: Bun.Server<undefined>;

  constructor() {
    this.#server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: (request) => this.#receive(request) });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.port}/webhooks`;
  }

  trust(secret: string): void {
    this.#secret = secret;
  }

  /** The webhooks of one event, each counted once however often it was delivered. */
  distinct(event?: string): ReceivedWebhook[] {
    const byId = new Map(this.received.map((webhook) => [webhook.id, webhook]));
    return [...byId.values()].filter((webhook) => event === undefined || webhook.event === event);
  }

  async close(): Promise<void> {
    await this.#server.stop(true);
  }

  async #receive(request: Request): Promise<Response> {
    const text = await request.text();
    try {
      new Webhook(this.#secret ?? "").verify(text, Object.fromEntries(request.headers));
    } catch {
      this.refused += 1;
      return new Response("The signature does not hold.", { status: 401 });
    }
    const body: Record<string, unknown> = JSON.parse(text);
    const id = request.headers.get("webhook-id") ?? "";
    this.received.push({ id, event: String(body.event), body });
    return new Response(null, { status: 204 });
  }
}
