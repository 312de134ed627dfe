import path from "node:path";
import type { Answered, LoadOrder, LoadReport } from "../load/http-load.ts";
import { runLoad } from "../load/run-load.ts";
import type { BenchTenant } from "../tenants.ts";

const program = path.join(import.meta.dir, "load-process.ts");

type Pace = Pick<LoadOrder, "connections" | "seconds" | "units" | "perSecond">;

/** Sends payments to the public API, and remembers all that were created. */
export class PaymentLoad {
  /** Every payment that was answered, in any load. */
  readonly created: Answered[] = [];
  /** How many of them are payments. */
  acknowledged = 0;
  readonly #port: number;
  readonly #tenants: readonly BenchTenant[];
  #next = 0;

  constructor(url: string, tenants: readonly BenchTenant[]) {
    this.#port = Number(new URL(url).port);
    this.#tenants = tenants;
  }

  /** New payments, each with a key of its own. */
  async create(pace: Pace): Promise<LoadReport> {
    const content = { tenants: this.#tenants, order: "next", from: this.#next };
    const report = await runLoad(program, { ...pace, port: this.#port, keepsIds: true, content });
    this.#next += report.units;
    for (const one of report.answered) this.created.push(one);
    this.acknowledged += report.units - report.refused;
    return report;
  }

  /** Requests that were answered before. */
  replay(pace: Pace): Promise<LoadReport> {
    const content = { tenants: this.#tenants, order: "again", from: this.#next };
    return runLoad(program, { ...pace, port: this.#port, content });
  }
}
