import { expect } from "bun:test";
import type { AcceptedEvent } from "../../src/events/event.ts";
import type { StreamWriter } from "../../src/writer/writer.ts";
import { event, faultsOf, type WriterSpace } from "./writer-fixture.ts";

/** The code of a refusal. */
export async function reasonOf(attempt: Promise<unknown>): Promise<unknown> {
  return attempt.then(
    () => "none",
    (error: { reason?: string }) => error.reason,
  );
}

/** Sends events, again and again until each is acknowledged, a few bodies at a time; what was acknowledged. */
export async function insist(writer: StreamWriter, bodies: readonly (readonly AcceptedEvent[])[]) {
  const acknowledged: AcceptedEvent[] = [];
  let refusals = 0;
  const waiting = [...bodies];
  const sender = async () => {
    for (let body = waiting.shift(); body !== undefined; body = waiting.shift()) {
      for (let isDone = false; !isDone; ) {
        try {
          const results = await writer.append(body);
          acknowledged.push(...body.filter((_, index) => results[index]?.kind === "stored"));
          isDone = true;
        } catch (error) {
          if ((error as { reason?: string }).reason !== "unavailable") throw error; // DomainError has it
          refusals += 1;
          await Bun.sleep(5);
        }
      }
    }
  };
  await Promise.all(Array.from({ length: 16 }, sender));
  return { acknowledged, refusals };
}

export function manyBodies(count: number, size: number): AcceptedEvent[][] {
  return Array.from({ length: count }, () =>
    Array.from({ length: size }, (_, index) => event({ merchant: `merchant-${index % 5}` })),
  );
}

/** Everything sent is stored once, without gaps and each body's events in order, whatever was answered. */
export async function expectWhole(
  space: WriterSpace,
  bodies: readonly (readonly AcceptedEvent[])[],
): Promise<void> {
  const stored = await space.entries();
  expect(faultsOf(stored)).toEqual([]);
  expect(stored).toHaveLength(bodies.reduce((sum, body) => sum + body.length, 0));
  const sequences = new Map(stored.map((one) => [one.eventId, one.sequence]));
  for (const body of bodies) {
    for (const [, own] of Map.groupBy(body, (one) => one.merchant)) {
      const inOrder = own.map((one) => sequences.get(one.eventId) ?? 0);
      expect(inOrder).toEqual(inOrder.toSorted((left, right) => left - right));
      expect(inOrder).not.toContain(0);
    }
  }
}
