import path from "node:path";
import {
  type RunningInstallation,
  startInstallation,
} from "@payflow/one-machine/installation/start-installation.ts";
import { runLoad } from "../load/run-load.ts";
import type { BenchRun } from "../measure/bench.ts";
import { Costs } from "../measure/costs.ts";
import { rounds } from "../measure/rounds.ts";
import { type BenchFigure, figure, median, percentile } from "../result.ts";
import { registerTenants } from "../tenants.ts";
import { PaymentLoad } from "./payment-load.ts";
import { Books } from "./payments-truth.ts";
import { storePayments } from "./stored-payments.ts";

const fixedProgram = path.join(import.meta.dir, "../load/fixed-process.ts");
const operations = ["list", "balance", "create"] as const;
type Operation = (typeof operations)[number];
const created = 2_000;
const read = 3_000;
/** Callers at once; a few, so that nothing waits for anything but its own work. */
const callers = 8;

/** What one operation costs: seconds of a processor for a thousand, and the median beside that of a no-op. */
interface Sample {
  readonly processor: number;
  readonly tookRatio: number;
}

type Measured = Readonly<Record<Operation, Sample>>;

/**
 * What a list, a balance and a new payment cost with 10^4, 10^5 and 10^6 stored payments (10^7 in thorough
 * runs), in an installation of its own: by processor time, and by the median of their latencies beside that
 * of a route that does nothing, asked in the same round.
 */
export async function growthFigures({ say, scale, isThorough }: BenchRun): Promise<BenchFigure[]> {
  const installation = await startInstallation({ env: { LOG_LEVEL: "warn" } });
  const books = new Books(installation);
  try {
    const tenants = await registerTenants(installation, 10);
    const load = new PaymentLoad(installation.url("payment"), tenants);
    const keys = tenants.map((tenant) => tenant.apiKey);
    const measure = () => measureAll({ installation, books, load, keys, scale });
    say("growth: warming up");
    await measure();
    const figures: BenchFigure[] = [];
    let first: Measured | null = null;
    const exponents = scale < 1 ? [4, 5] : isThorough ? [4, 5, 6, 7] : [4, 5, 6];
    const sizes = exponents.map((exponent) => 10 ** exponent);
    for (const [index, size] of sizes.entries()) {
      await storePayments(installation, tenants, sizes[index - 1] ?? 0, size);
      const all: Measured[] = [];
      for (let round = 0; round < rounds; round += 1) all.push(await measure());
      const middle = middleOf(all);
      first ??= middle;
      figures.push(...describe(index + 4, middle, first));
      say(`growth: measured at ${size} stored payments`);
    }
    return figures;
  } finally {
    await books.close();
    await installation.stop();
  }
}

interface Measuring {
  readonly installation: RunningInstallation;
  readonly books: Books;
  readonly load: PaymentLoad;
  readonly keys: readonly string[];
  readonly scale: number;
}

async function measureAll(measuring: Measuring): Promise<Measured> {
  const { installation, keys } = measuring;
  const base = new URL(installation.url("payment")).port;
  const noop = await ask(measuring, "payment", ["GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"]);
  const get = (route: string) =>
    keys.map((key) => `GET ${route} HTTP/1.1\r\nhost: 127.0.0.1:${base}\r\nx-api-key: ${key}\r\n\r\n`);
  return {
    list: besides(await ask(measuring, "payment", get("/payments")), noop),
    balance: besides(await ask(measuring, "ledger", get("/ledger/balance?currency=INR")), noop),
    create: besides(await create(measuring), noop),
  };
}

interface Asked {
  readonly processor: number;
  readonly p50Ms: number;
}

async function ask(
  { installation, scale }: Measuring,
  app: string,
  content: readonly string[],
): Promise<Asked> {
  const port = Number(new URL(installation.url(app)).port);
  const costs = new Costs(installation);
  const order = { port, connections: callers, units: read * scale, content };
  const report = await costs.during(
    () => runLoad(fixedProgram, order),
    (one) => one.units,
  );
  if (report.refused > 0) throw new Error(`a read was refused: ${report.firstRefusal}`);
  return { processor: totalOf(costs), p50Ms: percentile(report.tookMs, 0.5) };
}

/** With what comes after the answer: booking and the events. */
async function create({ installation, books, load, scale }: Measuring): Promise<Asked> {
  const costs = new Costs(installation);
  const work = async () => {
    const report = await load.create({ connections: callers, units: created * scale });
    await books.waitUntilDrained(load.acknowledged);
    return report;
  };
  const report = await costs.during(work, (one) => one.units);
  return { processor: totalOf(costs), p50Ms: percentile(report.tookMs, 0.5) };
}

function totalOf(costs: Costs): number {
  return costs.processor().find((one) => one.name === "cpu_total")?.value ?? 0;
}

function besides({ processor, p50Ms }: Asked, noop: Asked): Sample {
  return { processor, tookRatio: p50Ms / Math.max(noop.p50Ms, 0.01) };
}

function middleOf(all: readonly Measured[]): Measured {
  const middle = (operation: Operation): Sample => ({
    processor: median(all.map((one) => one[operation].processor)),
    tookRatio: median(all.map((one) => one[operation].tookRatio)),
  });
  return { list: middle("list"), balance: middle("balance"), create: middle("create") };
}

/** The cost at one size, and how many times that of the first size it is. */
function describe(exponent: number, now: Measured, first: Measured): BenchFigure[] {
  return operations.flatMap((operation) => {
    const [one, before] = [now[operation], first[operation]];
    const cost = figure(`${operation}_cpu_at_1e${exponent}`, one.processor, "CPU s/1,000");
    if (exponent === 4) return [cost];
    return [
      cost,
      figure(`${operation}_cpu_growth_1e4_to_1e${exponent}`, one.processor / before.processor, "x"),
      figure(`${operation}_latency_growth_1e4_to_1e${exponent}`, one.tookRatio / before.tookRatio, "x"),
    ];
  });
}
