import type { BusConfig } from "@payflow/service-kit/bus/open-bus.ts";
import { openBus } from "../measure/bus.ts";
import { serveSideProcess } from "../measure/side-process.ts";

/** What a consumer saw. */
export interface Consumed {
  /** Different events. */
  readonly events: number;
  /** Events that came again. */
  readonly repeats: number;
  /** Events that came before an earlier one of their key. */
  readonly early: number;
  /** From the time an event tells until its handler had it, in milliseconds, since it was asked last. */
  readonly tookMs: readonly number[];
}

/** Reads as the ledger does and only counts; `/count` and `/consumed` tell. */
async function run(config: BusConfig): Promise<void> {
  const bus = await openBus(config, "bench-consumer");
  const last = new Map<string, number>();
  let tookMs: number[] = [];
  let [events, repeats, early] = [0, 0, 0];
  await bus.subscribe({
    group: "ledger",
    topics: ["refund.settled"],
    maxBatch: 500,
    handle: async (_topic, batch) => {
      const now = Date.now();
      for (const { key, sequence, occurred_at } of batch) {
        const [before, number] = [last.get(key) ?? 0, sequence ?? 0];
        if (number <= before) {
          repeats += 1;
          continue;
        }
        if (number > before + 1) early += 1;
        last.set(key, number);
        events += 1;
        tookMs.push(now - Date.parse(occurred_at));
      }
    },
  });
  serveSideProcess((request) => {
    if (new URL(request.url).pathname === "/count") return Response.json(events);
    const consumed: Consumed = { events, repeats, early, tookMs };
    tookMs = [];
    return Response.json(consumed);
  });
}

if (import.meta.main) await run(JSON.parse(await Bun.stdin.text()));
