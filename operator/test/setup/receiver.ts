import { Webhook } from "standardwebhooks";

export interface Received {
  readonly headers: Headers;
  readonly text: string;
  // A test looks at the fields that it knows.
  // biome-ignore lint/suspicious/noExplicitAny: see above
  readonly body: any;
}

/** Somebody's server for webhooks. */
export interface Receiver {
  readonly url: string;
  readonly received: readonly Received[];
  /** What each message is answered with from now on; 200 at first. */
  answerWith(status: number): void;
  close(): void;
}

export function startReceiver(): Receiver {
  const received: Received[] = [];
  let status = 200;
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const text = await request.text();
      if (status === 200) received.push({ headers: request.headers, text, body: JSON.parse(text) });
      return new Response("", { status });
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}/hook`,
    received,
    answerWith(wanted) {
      status = wanted;
    },
    close: () => void server.stop(true),
  };
}

/** Whether a message was signed with this secret, by another's implementation of Standard Webhooks. */
export function isSignedWith({ headers, text }: Received, secret: string | undefined): boolean {
  if (secret === undefined) return false;
  try {
    return new Webhook(secret).verify(text, Object.fromEntries(headers)) !== undefined;
  } catch {
    return false;
  }
}
