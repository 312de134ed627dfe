import { Connection, type HttpAnswer } from "./connection.ts";

/** What one load is; given to its process as JSON. A unit is what is counted: a payment, a score. */
export interface LoadOrder {
  readonly port: number;
  readonly connections: number;
  /** The load ends after so many seconds, or so many units. */
  readonly seconds?: number;
  readonly units?: number;
  /** Units a second, whatever the answers do; as fast as answers come when left out. */
  readonly perSecond?: number;
  /** Units of one request at most: those that are due when a connection is free. 1 when left out. */
  readonly batch?: number;
  /** Whether what was answered is reported by its payment's id. */
  readonly keepsIds?: boolean;
  /** What the requests are made from; their maker knows it. */
  readonly content: unknown;
}

/** One answered payment of a load: when it was answered (Unix ms) and how long it took since it was due. */
export interface Answered {
  readonly id: string;
  readonly status: number;
  readonly answeredAt: number;
  readonly tookMs: number;
}

/** What became of a load. All its requests were answered. */
export interface LoadReport {
  readonly units: number;
  readonly refused: number;
  readonly firstRefusal: string | null;
  readonly seconds: number;
  /** Of each unit, in the order of the answers. */
  readonly tookMs: readonly number[];
  readonly answered: readonly Answered[];
}

/** The bytes of the next request, which carries so many units. */
export type MakeRequest = (units: number) => string;

/**
 * Sends a load over raw connections, without an HTTP client, which would take as much time as the server. In
 * an open load latencies count from when a unit was due, so that a stall is charged to all that it delays.
 */
class HttpLoad {
  readonly #order: LoadOrder;
  readonly #make: MakeRequest;
  readonly #batch: number;
  readonly #idle: Connection[] = [];
  readonly #due: number[] = [];
  readonly #tookMs: number[] = [];
  readonly #answered: Answered[] = [];
  #open = 0;
  #begun = 0;
  #endsAt = 0;
  #lastAnswerAt = 0;
  #refused = 0;
  #firstRefusal: string | null = null;

  constructor(order: LoadOrder, make: MakeRequest) {
    this.#order = order;
    this.#make = make;
    this.#batch = order.batch ?? 1;
  }

  async run(): Promise<LoadReport> {
    const { port, connections, perSecond, seconds } = this.#order;
    for (let count = 0; count < connections; count += 1) this.#idle.push(await Connection.open(port));
    const startedAt = performance.now();
    this.#lastAnswerAt = startedAt;
    this.#endsAt = startedAt + (seconds ?? 3_600) * 1_000;
    if (perSecond === undefined) for (const connection of this.#idle.splice(0)) this.#next(connection);
    else await this.#keepPace(perSecond, startedAt);
    while (this.#open > 0) await Bun.sleep(2);
    for (const connection of this.#idle) connection.close();
    return {
      units: this.#tookMs.length,
      refused: this.#refused,
      firstRefusal: this.#firstRefusal,
      seconds: (this.#lastAnswerAt - startedAt) / 1_000,
      tookMs: this.#tookMs,
      answered: this.#answered,
    };
  }

  /** Units become due at a constant pace, and wait where no connection is free. */
  async #keepPace(perSecond: number, startedAt: number): Promise<void> {
    for (let due = 0; performance.now() < this.#endsAt || this.#due.length > 0; await Bun.sleep(1)) {
      const now = Math.min(performance.now(), this.#endsAt);
      const expected = Math.floor(((now - startedAt) / 1_000) * perSecond);
      for (; due < expected; due += 1) this.#due.push(startedAt + (due / perSecond) * 1_000);
      while (this.#due.length > 0) {
        const connection = this.#idle.pop();
        if (connection === undefined) break;
        this.#send(connection, this.#due.splice(0, this.#batch));
      }
    }
  }

  #next(connection: Connection): void {
    const now = performance.now();
    if (this.#due.length > 0) this.#send(connection, this.#due.splice(0, this.#batch));
    else if (this.#order.perSecond !== undefined || this.#isOver(now)) this.#idle.push(connection);
    else this.#send(connection, Array(this.#batch).fill(now));
  }

  #isOver(now: number): boolean {
    const { units } = this.#order;
    return now >= this.#endsAt || (units !== undefined && this.#begun >= units);
  }

  #send(connection: Connection, since: readonly number[]): void {
    this.#open += 1;
    this.#begun += since.length;
    connection.ask(this.#make(since.length), (answer) => {
      this.#open -= 1;
      this.#record(answer, since);
      this.#next(connection);
    });
  }

  #record({ status, body }: HttpAnswer, since: readonly number[]): void {
    const now = performance.now();
    this.#lastAnswerAt = now;
    if (status < 200 || status > 299) {
      this.#refused += since.length;
      this.#firstRefusal ??= `${status} ${body}`;
    }
    // Hundredths of a millisecond are kept, which makes the report short.
    const took = since.map((one) => Math.round((now - one) * 100) / 100);
    this.#tookMs.push(...took);
    if (this.#order.keepsIds !== true) return;
    // A refusal has no id; the checks then find what is missing.
    const id = /"payment_id":"([^"]+)"/.exec(body)?.[1] ?? "";
    this.#answered.push({ id, status, answeredAt: Date.now(), tookMs: took[0] ?? 0 });
  }
}

/** Reads an order, runs it and prints its report: the whole of a program that sends a load. */
export async function runOrder(maker: (content: unknown) => MakeRequest): Promise<never> {
  const order: LoadOrder = JSON.parse(await Bun.stdin.text());
  const report = await new HttpLoad(order, maker(order.content)).run();
  // More than a pipe takes at once, so that it must be out before the end.
  await Bun.write(Bun.stdout, JSON.stringify(report));
  process.exit(0);
}

/** The bytes of a request with a JSON body. */
export function jsonRequest(path: string, headers: Readonly<Record<string, string>>, body: string): string {
  const lines = Object.entries({
    host: "127.0.0.1",
    "content-type": "application/json",
    ...headers,
    "content-length": `${Buffer.byteLength(body)}`,
  }).map(([name, value]) => `${name}: ${value}`);
  return `POST ${path} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n${body}`;
}
