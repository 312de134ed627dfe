import { example } from "../example-event.ts";

/** A body that is refused as a whole, or all of whose events are. */
export interface BadBody {
  readonly name: string;
  readonly path: string;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly status: number;
  /** Of the problem; none where each event is answered by itself. */
  readonly code?: string;
  /** Of what is wrong, in the problem or in each event's result. */
  readonly pointers?: readonly string[];
}

export const json = JSON.stringify;
export const good = () => json(example());
export const ndjson = "application/x-ndjson";
export const cloudEvents = "application/cloudevents+json";
export const cloudEventBatch = "application/cloudevents-batch+json";

/** The good event with one piece of its text replaced. */
export const edited = (from: string | RegExp, to: string) => good().replace(from, to);
export const bytes = (...parts: (string | readonly number[])[]) =>
  Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : Buffer.from(part))));
export const deep = (open: string, close: string, depth: number) => open.repeat(depth) + close.repeat(depth);

export function cloudEvent(fields: Record<string, unknown> = {}): string {
  const { event_id: id, ...data } = example();
  return json({ specversion: "1.0", id, source: "/checkout", type: "payment_exhaust", data, ...fields });
}
export const binary = { "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/checkout", "ce-type": "t" };
