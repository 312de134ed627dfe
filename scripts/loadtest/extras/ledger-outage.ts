import { freeze } from "@payflow/one-machine/processes/freeze.ts";
import { direct } from "@payflow/service-kit/http/internal-client.ts";
import postgres, { type Sql } from "postgres";
import type { Target } from "../target.ts";
import type { Extra } from "./extra.ts";

const everyMs = 100;
/** How long the ledger may take to book what waited, once it goes on. */
const patienceMs = 60_000;

/**
 * Freezes all replicas of the ledger from a third of the load to its second third, as a machine that hangs
 * would, and watches how far the bookings are behind.
 */
export const ledgerOutage: Extra = async (target, { seconds }) => {
  const payment = open(target, "payment");
  const ledger = open(target, "ledger");
  const frozen: (() => void)[] = [];
  const watch = { mostBehind: 0, thawedAt: 0, caughtUpAt: 0, isOver: false };
  const thaw = () => {
    for (const goOn of frozen.splice(0)) goOn();
    watch.thawedAt ||= performance.now();
  };
  const watching = (async () => {
    await Bun.sleep((seconds * 1_000) / 3);
    for (const { name, pid } of target.processes()) {
      if (name.startsWith("ledger-") && pid !== null) frozen.push(freeze(pid));
    }
    for (const until = performance.now() + (seconds * 1_000) / 3; performance.now() < until; ) {
      watch.mostBehind = Math.max(watch.mostBehind, await behind(payment, ledger));
      if (watch.isOver) break;
      await Bun.sleep(everyMs);
    }
    thaw();
    for (const until = performance.now() + patienceMs; performance.now() < until; await Bun.sleep(everyMs)) {
      // New payments come meanwhile: a few that are under way are no lag.
      if ((await behind(payment, ledger)) > watch.mostBehind / 20) continue;
      watch.caughtUpAt = performance.now();
      return;
    }
  })();
  return {
    environment: {},
    async finish() {
      watch.isOver = true;
      await watching;
      const left = await unacknowledged(target);
      const tookMs = watch.caughtUpAt - watch.thawedAt;
      return {
        truths: [
          {
            name: "bookings fell behind while the ledger was away",
            isTrue: watch.mostBehind > 0,
            found: `${watch.mostBehind} payments at most`,
          },
          {
            name: "the ledger caught up once it was back",
            isTrue: watch.caughtUpAt > 0,
            found: watch.caughtUpAt > 0 ? `after ${(tookMs / 1_000).toFixed(1)} s` : "it did not",
          },
          {
            name: "the group has acknowledged everything in the end",
            isTrue: left === 0,
            found: `${left} events left`,
          },
        ],
        figures: [
          { name: "payments behind at most", value: watch.mostBehind },
          { name: "seconds to catch up", value: Math.max(0, tookMs / 1_000) },
        ],
      };
    },
    async stop() {
      watch.isOver = true;
      thaw();
      await watching.catch(() => {});
      await Promise.all([payment.end({ timeout: 2 }), ledger.end({ timeout: 2 })]);
    },
  };
};

function open(target: Target, name: string): Sql {
  return postgres(target.databaseUrl(name), { max: 1, onnotice: () => {} });
}

/** How many captured payments are not booked. */
async function behind(payment: Sql, ledger: Sql): Promise<number> {
  // In this order, so that what is booked between the two does not look like more than was captured.
  const [captured] = await payment`select count(*)::int as count from payment where amount_captured > 0`;
  const [booked] = await ledger`select count(*)::int as count from transfer where type = 'capture'`;
  return Math.max(0, (captured?.count ?? 0) - (booked?.count ?? 0));
}

/** The lag of the ledger's group in events as its replicas tell it, once it is zero or a while has passed. */
async function unacknowledged(target: Target): Promise<number> {
  for (const until = performance.now() + 15_000; ; await Bun.sleep(250)) {
    const [lag] = (await Promise.all(target.replicaUrls("ledger").map(lagOf))).sort((a, b) => b - a);
    if (lag === 0 || performance.now() > until) return lag ?? 0;
  }
}

async function lagOf(replicaUrl: string): Promise<number> {
  const answer = await fetch(`${replicaUrl}/metrics`, { ...direct, signal: AbortSignal.timeout(5_000) });
  const lines = (await answer.text()).matchAll(
    /^payflow_bus_lag_events\{[^}]*group="ledger"[^}]*\} (\S+)$/gm,
  );
  return [...lines].reduce((sum, [, value]) => sum + Number(value), 0);
}
