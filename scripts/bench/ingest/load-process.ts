import { percentile } from "../result.ts";
import { SampleRequests, type Sender } from "./sample-events.ts";

/** What one load is; given to its process as JSON. */
export interface LoadOrder {
  readonly port: number;
  readonly senders: readonly Sender[];
  /** Events in one request. */
  readonly batch: number;
  readonly connections: number;
  /** The load ends after so many seconds, or so many requests. */
  readonly seconds?: number;
  readonly requests?: number;
  /** Requests a second, whatever the answers do; as fast as answers come when left out. */
  readonly perSecond?: number;
}

/** What became of a load. All its requests were answered. */
export interface LoadReport {
  readonly requests: number;
  readonly refused: number;
  readonly firstRefusal: string | null;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const host = "127.0.0.1";

interface Connection {
  readonly socket: Bun.Socket<undefined>;
  /** When the request under way was sent, or due. */
  since: number;
  /** Bytes of the answer that are still to come; null before its head. */
  rest: number | null;
}

/**
 * Sends a load over raw connections and prints a `LoadReport`. A program of its own, so that its work is not
 * that of what it measures, and without an HTTP client, which would take as much time as the server.
 */
class EventLoad {
  readonly #order: LoadOrder;
  readonly #requests: SampleRequests;
  readonly #tookMs: number[] = [];
  readonly #idle: Connection[] = [];
  readonly #due: number[] = [];
  #open = 0;
  #begun = 0;
  #endsAt = 0;
  #refused = 0;
  #firstRefusal: string | null = null;
  #lastAnswerAt = 0;

  constructor(order: LoadOrder) {
    this.#order = order;
    this.#requests = new SampleRequests(order.senders, host, order.batch);
  }

  async run(): Promise<LoadReport> {
    const { connections, perSecond, seconds } = this.#order;
    for (let count = 0; count < connections; count += 1) this.#idle.push(await this.#connect());
    const startedAt = performance.now();
    this.#endsAt = startedAt + (seconds ?? 3_600) * 1_000;
    if (perSecond === undefined) {
      for (const connection of this.#idle.splice(0)) this.#send(connection, performance.now());
    } else await this.#keepPace(perSecond, startedAt);
    while (this.#open > 0) await Bun.sleep(5);
    for (const connection of this.#idle) connection.socket.end();
    return {
      requests: this.#tookMs.length,
      refused: this.#refused,
      firstRefusal: this.#firstRefusal,
      seconds: (this.#lastAnswerAt - startedAt) / 1_000,
      p50Ms: percentile(this.#tookMs, 0.5),
      p99Ms: percentile(this.#tookMs, 0.99),
    };
  }

  async #connect(): Promise<Connection> {
    let connection: Connection | null = null;
    const socket = await Bun.connect({
      hostname: host,
      port: this.#order.port,
      socket: {
        data: (_socket, bytes) => {
          if (connection !== null) this.#read(connection, bytes);
        },
        close: () => {
          if (this.#open > 0) throw new Error("the server closed a connection");
        },
      },
    });
    connection = { socket, since: 0, rest: null };
    return connection;
  }

  /** Requests become due at a constant pace; what a stall delays is counted from then. */
  async #keepPace(perSecond: number, startedAt: number): Promise<void> {
    for (let due = 0; performance.now() < this.#endsAt; await Bun.sleep(1)) {
      const expected = Math.floor(((performance.now() - startedAt) / 1_000) * perSecond);
      for (; due < expected; due += 1) {
        const dueAt = startedAt + (due / perSecond) * 1_000;
        const connection = this.#idle.pop();
        if (connection === undefined) this.#due.push(dueAt);
        else this.#send(connection, dueAt);
      }
    }
  }

  #send(connection: Connection, since: number): void {
    connection.since = since;
    connection.rest = null;
    this.#open += 1;
    this.#begun += 1;
    const bytes = this.#requests.next();
    // What the socket does not take at once must be a copy: the bytes are written into again.
    const written = write(connection, bytes);
    if (written < bytes.length) void this.#sendRest(connection, Buffer.from(bytes.subarray(written)));
  }

  async #sendRest(connection: Connection, bytes: Buffer): Promise<void> {
    for (let rest = bytes; rest.length > 0; ) {
      await new Promise((resolve) => setImmediate(resolve));
      rest = rest.subarray(write(connection, rest));
    }
  }

  #read(connection: Connection, bytes: Buffer): void {
    let length = bytes.length;
    if (connection.rest === null) {
      const end = bytes.indexOf("\r\n\r\n");
      const head = bytes.toString("latin1", 0, end === -1 ? bytes.length : end);
      const announced = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
      if (end === -1 || announced === undefined) throw new Error(`no answer that can be read: ${head}`);
      if (!head.startsWith("HTTP/1.1 202")) {
        this.#refused += 1;
        this.#firstRefusal ??= bytes.toString();
      }
      connection.rest = Number(announced);
      length -= end + 4;
    }
    connection.rest -= length;
    if (connection.rest === 0) this.#answered(connection);
  }

  #answered(connection: Connection): void {
    const now = performance.now();
    this.#lastAnswerAt = now;
    this.#tookMs.push(now - connection.since);
    this.#open -= 1;
    const dueAt = this.#due.shift();
    if (dueAt !== undefined) this.#send(connection, dueAt);
    else if (this.#order.perSecond === undefined && !this.#isOver(now)) this.#send(connection, now);
    else this.#idle.push(connection);
  }

  #isOver(now: number): boolean {
    const { requests } = this.#order;
    return now >= this.#endsAt || (requests !== undefined && this.#begun >= requests);
  }
}

/** How many bytes the connection took; throws where the server has ended it. */
function write({ socket }: Connection, bytes: Buffer): number {
  const written = socket.write(bytes);
  if (written < 0) throw new Error("the server closed a connection");
  return written;
}

if (import.meta.main) {
  const order: LoadOrder = JSON.parse(await Bun.stdin.text());
  console.log(JSON.stringify(await new EventLoad(order).run()));
  process.exit(0);
}
