import type { AcceptedEvent } from "../events/event.ts";

/** What became of one event. */
export type AppendResult =
  | {
      readonly kind: "stored";
      /** The partition's number, a colon, and the entry's id in it. */
      readonly streamId: string;
      /** Counts the merchant's events in this mode from 1. */
      readonly sequence: number;
    }
  | { readonly kind: "duplicate" }
  | { readonly kind: "conflict" }
  | { readonly kind: "too_many_merchants" };

export interface AppendOptions {
  /** The platform's own events are exempt from the cap of a tenant's merchants. */
  readonly isPlatform?: boolean;
}

/** Stores events in the streams of their merchants. */
export interface StreamWriter {
  /**
   * Stores the events of one request, in order, and resolves when they are as durable as the installation
   * promises. Throws `unavailable` where that is not known of each of them: repeating all of them is safe.
   */
  append(events: readonly AcceptedEvent[], options?: AppendOptions): Promise<AppendResult[]>;
  /** The same for one event of a tenant's. */
  append1(event: AcceptedEvent): Promise<AppendResult>;
}
