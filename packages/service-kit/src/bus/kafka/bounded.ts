import { pause } from "../../concurrency/retry.ts";

/** A request to Kafka that had no end in the time it was given. */
export class KafkaSilent extends Error {
  override readonly name = "KafkaSilent";
}

const closeMs = 2_000;

/**
 * A client whose requests all end: one that takes longer than its time fails, and the client is replaced,
 * since whatever it still waits for would hold up the requests after it.
 */
export class BoundedClient<Client extends { close(): Promise<void> }> {
  readonly #make: () => Client;
  readonly #closed = Promise.withResolvers<never>();
  #client: Client;

  constructor(make: () => Client) {
    this.#make = make;
    this.#client = make();
    // It is rejected on closing, whether or not a request waits then.
    this.#closed.promise.catch(() => {});
  }

  /** Throws `KafkaSilent` after `limitMs`, or once the client is closed. */
  async run<T>(limitMs: number, work: (client: Client) => Promise<T>): Promise<T> {
    const client = this.#client;
    const silent = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      this.#replace(client);
      silent.reject(new KafkaSilent(`Kafka did not answer within ${limitMs} ms`));
    }, limitMs);
    try {
      return await Promise.race([work(client), silent.promise, this.#closed.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Requests under way fail. */
  async close(): Promise<void> {
    this.#closed.reject(new KafkaSilent("the connection to Kafka is closed"));
    await end(this.#client);
  }

  #replace(client: Client): void {
    if (client !== this.#client) return;
    this.#client = this.#make();
    void end(client);
  }
}

async function end(client: { close(): Promise<void> }): Promise<void> {
  // It may fail for whatever it could not finish, which nobody waits for any more.
  await Promise.race([client.close().catch(() => {}), pause(closeMs)]);
}
