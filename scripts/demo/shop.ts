import type { Client } from "./client.ts";
import type { WebhookReceiver } from "./receiver.ts";
import type { Story } from "./story.ts";

/** What the chapters of the demo share. */
export interface Shop {
  readonly story: Story;
  readonly client: Client;
  /** The platform's owner. */
  readonly admin: Client;
  readonly receiver: WebhookReceiver;
  /** An app's public base URL. */
  readonly url: (app: string) => string;
  /** The Redis of the event streams, for programs of the platform's owner. */
  readonly streamsUrl: string;
  /** Below it stand the folders that exporters write to. */
  readonly exportFolder: string;
  /** Each payment by what the story calls it. */
  readonly payments: Map<string, Expected>;
}

/** What the story expects of a payment in the end. */
export interface Expected {
  readonly id: string;
  readonly status: string;
  readonly capturedMinor: number;
  refundedMinor: number;
}
