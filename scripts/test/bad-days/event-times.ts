import { expect } from "bun:test";
import { sampleEvent } from "../platform/doors.ts";
import { call } from "../platform/platform.ts";

const minutes = 60_000;
const days = 24 * 60 * minutes;

/** From now, and how it is answered. */
const moments = [
  [0, 202],
  [58 * minutes, 202],
  [62 * minutes, 400],
  [-400 * days + 2 * minutes, 202],
  [-400 * days - 2 * minutes, 400],
] as const;

/** Events are taken from 400 days back to one hour ahead by the right time, whatever the replica's own is. */
export async function eventsKeepTime(url: string, key: string): Promise<void> {
  for (const [fromNowMs, status] of moments) {
    const body = { ...sampleEvent(), event_timestamp: new Date(Date.now() + fromNowMs).toISOString() };
    const answer = await call(`${url}/v1/events/payment_exhaust`, "POST", { key, body });
    expect([url, fromNowMs, answer.status]).toEqual([url, fromNowMs, status]);
  }
}
