import net from "node:net";

export interface Received {
  readonly path: string;
  readonly headers: Headers;
  readonly body: string;
  readonly atMs: number;
}

export interface Receiver {
  readonly url: string;
  readonly port: number;
  readonly received: Received[];
  /** Connections that have been opened, whether or not anything was sent. */
  close(): void;
}

/** A webhook receiver that answers as told, 200 when nothing else is said. */
export function startReceiver(
  answer: (received: Received) => Response | Promise<Response> = () => new Response("taken"),
): Receiver {
  const received: Received[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    async fetch(request) {
      const one = {
        path: new URL(request.url).pathname,
        headers: request.headers,
        body: await request.text(),
        atMs: performance.now(),
      };
      received.push(one);
      return answer(one);
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    port: server.port ?? 0,
    received,
    close: () => void server.stop(true),
  };
}

/** A receiver that takes a request and never answers. */
export const startHangingReceiver = () => startReceiver(() => new Promise<Response>(() => {}));

export interface RawServer {
  readonly port: number;
  readonly connections: () => number;
  close(): void;
}

/** A server below HTTP: it counts connections, and `talk` may write whatever it wants. */
export function startRawServer(
  talk: (socket: net.Socket) => void = () => {},
  host = "127.0.0.1",
  port = 0,
): Promise<RawServer> {
  let connections = 0;
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    talk(socket);
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      const address = server.address();
      resolve({
        port: typeof address === "object" && address !== null ? address.port : 0,
        connections: () => connections,
        close: () => {
          for (const socket of sockets) socket.destroy();
          server.close();
        },
      });
    });
  });
}
