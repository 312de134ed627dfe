/** What a test tells each of its replicas, as JSON in the first argument, and hears back, as JSON a line. */
export interface ReplicaScript<Order extends object, Line extends { readonly kind: string }> {
  /** The path of the program. It prints a line of the kind `ready` once it works. */
  readonly program: string;
  readonly order: Order;
  /** Called for each other line. */
  readonly onLine: (replica: number, line: Exclude<Line, { readonly kind: "ready" }>) => void;
}

/** Replicas of one program in processes of their own, numbered from 1. */
export class ChildReplicas<Order extends object, Line extends { readonly kind: string }> {
  readonly #script: ReplicaScript<Order, Line>;
  readonly #running = new Map<number, Bun.Subprocess>();
  #count = 0;

  constructor(script: ReplicaScript<Order, Line>) {
    this.#script = script;
  }

  /** The numbers of those that run. */
  get running(): readonly number[] {
    return [...this.#running.keys()];
  }

  /** Starts one more and waits until it is ready; returns its number. */
  async start(changes: Partial<Order> = {}): Promise<number> {
    this.#count += 1;
    const replica = this.#count;
    const { program, order } = this.#script;
    const child = Bun.spawn([process.execPath, program, JSON.stringify({ ...order, ...changes })], {
      stdout: "pipe",
      stderr: "inherit",
      stdin: "ignore",
    });
    this.#running.set(replica, child);
    await new Promise<void>((resolve, reject) => {
      void this.#listen(replica, child.stdout, resolve);
      void child.exited.then((status) => reject(new Error(`a replica ended with status ${status}`)));
    });
    return replica;
  }

  /** Ends a replica as a crash would. */
  async kill(replica: number): Promise<void> {
    await this.#end(replica, "SIGKILL");
  }

  /** Lets a replica finish what it has under way; its exit status. */
  async stop(replica: number): Promise<number> {
    return this.#end(replica, "SIGTERM");
  }

  /** Lets a replica stand still as a hung machine would; it ends with a `kill`, paused or not. */
  pause(replica: number): void {
    this.#running.get(replica)?.kill("SIGSTOP");
  }

  /** Lets a paused replica go on. */
  resume(replica: number): void {
    this.#running.get(replica)?.kill("SIGCONT");
  }

  async killAll(): Promise<void> {
    await Promise.all(this.running.map((replica) => this.kill(replica)));
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
        const line: Line = JSON.parse(text);
        if (line.kind === "ready") onReady();
        // The one kind that is left out has been told apart.
        else this.#script.onLine(replica, line as Exclude<Line, { readonly kind: "ready" }>);
      }
    }
  }
}
