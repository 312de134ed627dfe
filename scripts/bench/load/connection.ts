export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

/** A kept connection to a server on this machine with one request under way at a time. */
export class Connection {
  readonly #port: number;
  #socket: Bun.Socket<undefined> | undefined;
  #onAnswer: ((answer: HttpAnswer) => void) | null = null;
  #read: Buffer = Buffer.alloc(0);

  private constructor(port: number) {
    this.#port = port;
  }

  static async open(port: number): Promise<Connection> {
    const connection = new Connection(port);
    await connection.#connect();
    return connection;
  }

  /** Sends a request's bytes; the answer is told to `onAnswer`. */
  ask(request: string, onAnswer: (answer: HttpAnswer) => void): void {
    this.#onAnswer = onAnswer;
    const bytes = Buffer.from(request);
    if (this.#socket !== undefined) this.#write(this.#socket, bytes);
    else void this.#connect().then((socket) => this.#write(socket, bytes));
  }

  close(): void {
    this.#socket?.end();
  }

  async #connect(): Promise<Bun.Socket<undefined>> {
    this.#read = Buffer.alloc(0);
    const made = await Bun.connect({
      hostname: "127.0.0.1",
      port: this.#port,
      socket: {
        data: (socket, bytes) => this.#take(socket, bytes),
        close: (socket) => this.#closed(socket),
      },
    });
    this.#socket = made;
    return made;
  }

  /** What the socket does not take at once is written soon. */
  #write(socket: Bun.Socket<undefined>, bytes: Buffer): void {
    // The answer may come, and end the connection, before all was sent.
    if (socket !== this.#socket) return;
    const written = socket.write(bytes);
    if (written < 0) throw new Error("the server closed a connection");
    const rest = bytes.subarray(written);
    if (rest.length > 0) setImmediate(() => this.#write(socket, rest));
  }

  #take(socket: Bun.Socket<undefined>, bytes: Buffer): void {
    if (socket !== this.#socket) return;
    this.#read = this.#read.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#read, bytes]);
    const end = this.#read.indexOf("\r\n\r\n");
    if (end === -1) return;
    const head = this.#read.toString("latin1", 0, end);
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
    if (this.#read.length < end + 4 + length) return;
    const status = Number(head.slice(9, 12));
    const body = this.#read.toString("utf8", end + 4, end + 4 + length);
    this.#read = Buffer.alloc(0);
    // Our apps end a connection of an internal port now and then, so that another replica may be chosen.
    if (/\r\nconnection: *close/i.test(head)) {
      this.#socket = undefined;
      socket.end();
    }
    const onAnswer = this.#onAnswer;
    this.#onAnswer = null;
    onAnswer?.({ status, body });
  }

  #closed(socket: Bun.Socket<undefined>): void {
    if (socket !== this.#socket) return;
    if (this.#onAnswer !== null) throw new Error("the server closed a connection");
    // Servers end connections on which nothing is asked for a minute; the next request makes a new one.
    this.#socket = undefined;
  }
}
