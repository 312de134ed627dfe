import path from "node:path";
import type { HandledEvent, ReplicaLine, ReplicaOrder } from "./replica-process.ts";

export interface Arrival extends HandledEvent {
  readonly replica: number;
}

/** Replicas of one group in processes of their own; what they handled, in the order in which they said so. */
export class Replicas {
  readonly handled: Arrival[] = [];
  readonly failed: Arrival[] = [];
  readonly #running = new Map<number, Bun.Subprocess>();
  #count = 0;

  constructor(private readonly order: ReplicaOrder) {}

  /** Starts one more and waits until it reads; returns its number. */
  async start(changes: Partial<ReplicaOrder> = {}): Promise<number> {
    this.#count += 1;
    const replica = this.#count;
    const child = Bun.spawn(
      [
        process.execPath,
        path.join(import.meta.dir, "replica-process.ts"),
        JSON.stringify({ ...this.order, ...changes }),
      ],
      { stdout: "pipe", stderr: "inherit", stdin: "ignore" },
    );
    this.#running.set(replica, child);
    await new Promise<void>((resolve, reject) => {
      void this.#listen(replica, child.stdout, resolve);
      void child.exited.then((status) => reject(new Error(`a replica ended with status ${status}`)));
    });
    return replica;
  }

  handledBy(replica: number): readonly Arrival[] {
    return this.handled.filter((arrival) => arrival.replica === replica);
  }

  /** Ends a replica as a crash would. */
  async kill(replica: number): Promise<void> {
    await this.#end(replica, "SIGKILL");
  }

  /** Lets a replica finish what it has under way; its exit status. */
  async stop(replica: number): Promise<number> {
    return this.#end(replica, "SIGTERM");
  }

  async killAll(): Promise<void> {
    await Promise.all([...this.#running.keys()].map((replica) => this.kill(replica)));
  }

  async #end(replica: number, signal: NodeJS.Signals): Promise<number> {
    const child = this.#running.get(replica);
    if (child === undefined) return 0;
    this.#running.delete(replica);
    child.kill(signal);
    return child.exited;
  }

  async #listen(replica: number, output: ReadableStream<Uint8Array>, onReady: () => void): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of output) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const text of lines) {
        const line: ReplicaLine = JSON.parse(text);
        if (line.kind === "ready") onReady();
        else this[line.kind].push(...line.events.map((event) => ({ ...event, replica })));
      }
    }
  }
}
