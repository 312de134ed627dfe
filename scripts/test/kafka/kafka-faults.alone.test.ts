import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { eventually } from "@payflow/testkit/eventually.ts";
import { CrashTest } from "../crashes/crash-test.ts";
import { allReady } from "../platform/health.ts";
import type { Traffic } from "../platform/traffic.ts";
import { ThreeBrokers } from "./brokers.ts";
import { passagesOf, SilenceWatch } from "./silence.ts";

setDefaultTimeout(1_800_000);

const isThorough = process.env.PAYFLOW_THOROUGH !== undefined;
const killsPerApp = isThorough ? 20 : 1;
const brokerKills = isThorough ? 5 : 1;
const awayMs = isThorough ? 30_000 : 5_000;
const rebalances = isThorough ? 12 : 2;
const rebalanceEveryMs = 5_000;
/** What the contract allows a rebalance to stop everything for. */
const silenceMs = 3_000;
const apps = ["tenant", "fraud", "payment", "ledger", "notifier", "ingest"];
/** One app after the other, or, which takes less time, one replica of all of them at once. */
const restartedTogether = isThorough ? apps.map((app) => [app]) : [apps];
const consumers = ["ledger", "notifier", "fraud", "payment"];

let three: ThreeBrokers;
let crash: CrashTest;
const traffics: Traffic[] = [];

beforeAll(async () => {
  three = await ThreeBrokers.start();
  crash = await CrashTest.start(three.installation);
}, 300_000);

afterAll(async () => {
  await crash?.close();
  await three?.close();
}, 120_000);

/** Does something under load, after which nothing waits, nothing is missing, doubled or out of order. */
async function underLoad(run: (traffic: Traffic) => Promise<void>): Promise<void> {
  const traffic = crash.traffic(8);
  traffics.push(traffic);
  await traffic.during(() => run(traffic));
  await crash.holds(traffics);
  await restOf(traffics);
}

async function restOf(all: readonly Traffic[]): Promise<void> {
  await eventually(
    async () => {
      const lags = await three.lags();
      expect(lags).toEqual(Object.fromEntries(Object.keys(lags).map((group) => [group, 0])));
    },
    { timeoutMs: 60_000, everyMs: 250 },
  );
  expect(await three.outOfOrder()).toEqual([]);
  expect(all.length).toBeGreaterThan(0);
}

/** The callers go on and their payments reach the ledger. */
async function goesOn(traffic: Traffic): Promise<void> {
  const { length } = traffic.acknowledged;
  await eventually(() => traffic.acknowledged.length > length + 5, { timeoutMs: 60_000 });
  const before = await bookings();
  await eventually(async () => (await bookings()) > before + 5, { timeoutMs: 60_000 });
}

async function bookings(): Promise<number> {
  const [row] = await crash.truth.ledger`select count(*)::int as count from transfer`;
  return row?.count ?? 0;
}

test("kill -9 of any app and of the leading broker, under load, loses, doubles and reorders nothing", async () => {
  await underLoad(async (traffic) => {
    await goesOn(traffic);
    for (let round = 0; round < killsPerApp; round += 1) await crash.killEachApp(round);
    for (let round = 0; round < brokerKills; round += 1) {
      const leader = await three.leader("payment.settled");
      await leader.stop("SIGKILL");
      await goesOn(traffic);
      await leader.start();
    }
  });
});

test("with all brokers away payments go on, and all of them are booked once the brokers are back", async () => {
  await underLoad(async (traffic) => {
    await goesOn(traffic);
    const pids = crash.installation.installation.processes().map(({ pid }) => pid);
    await Promise.all(three.kafka.servers.map((server) => server.stop("SIGKILL")));
    const { length } = traffic.acknowledged;
    await Bun.sleep(awayMs);
    expect(traffic.acknowledged.length).toBeGreaterThan(length);
    await Promise.all(three.kafka.servers.map((server) => server.start()));
    await goesOn(traffic);
    // No process had to start again for it.
    expect(crash.installation.installation.processes().map(({ pid }) => pid)).toEqual(pids);
  });
});

test("a rebalance of all groups every five seconds stops bookings for less than three, and reorders nothing", async () => {
  await underLoad(async (traffic) => {
    // Callers who wait for lost answers are silent together. These keep on, so that each silence is the apps'.
    const steady = crash.traffic(4, { methods: ["pm_card_ok"], pauseMs: 200 });
    traffics.push(steady);
    await steady.during(async () => {
      await goesOn(traffic);
      await rebalanceAgainAndAgain();
    });
  });
});

async function rebalanceAgainAndAgain(): Promise<void> {
  const { installation } = crash.installation;
  const watch = new SilenceWatch();
  for (let round = 0; round < rebalances; round += 1) {
    const startedAt = performance.now();
    const replica = 1 + (round % 2);
    for (const deed of ["stopApp", "startApp"] as const) {
      await Promise.all(
        consumers.map((app) =>
          watch.during(`${deed} ${app}-${replica}`, () => installation[deed](app, replica)),
        ),
      );
    }
    await Bun.sleep(Math.max(0, rebalanceEveryMs - (performance.now() - startedAt)));
  }
  const { ms, story } = await watch.end(() => passagesOf(crash.truth, three));
  console.log(story);
  expect(ms).toBeLessThan(silenceMs);
}

test("a rolling restart of all apps under load ends with no lag, and with no 5xx but the documented 503", async () => {
  let during: Traffic | undefined;
  await underLoad(async (traffic) => {
    during = traffic;
    await goesOn(traffic);
    for (const together of restartedTogether) {
      for (const replica of [1, 2]) {
        await Promise.all(
          together.map(async (app) => {
            expect(await crash.installation.installation.stopApp(app, replica)).toBe(0);
            await crash.installation.installation.startApp(app, replica);
          }),
        );
      }
    }
    await allReady(crash.installation);
    await goesOn(traffic);
  });
  expect(during?.serverErrors).toEqual([]);
});
