import {
  type ScoreAnswer,
  type ScoreRequest,
  type ScoresBody,
  scoresPath,
} from "@payflow/contracts/internal-fraud.ts";

export type Decide = (payment: ScoreRequest) => Partial<ScoreAnswer>;

export interface FraudServer {
  readonly url: string;
  /** Every payment that was asked about, in order. */
  readonly asked: ScoreRequest[];
  /** How many payments each call asked about. */
  readonly calls: number[];
  /** Decides from now on; every payment is allowed otherwise. */
  decide(by: Decide): void;
  /** Delays every answer by this much from now on. */
  delay(ms: number): void;
  stop(): void;
}

/** An HTTP server that speaks fraud's internal contract and decides as the test says. */
export function startFraud(secret: string): FraudServer {
  const asked: ScoreRequest[] = [];
  const calls: number[] = [];
  let decide: Decide = () => ({});
  let delayMs = 0;
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      if (new URL(request.url).pathname !== scoresPath) return new Response(null, { status: 404 });
      if (request.headers.get("x-internal-token") !== secret) return new Response(null, { status: 401 });
      // Only payment's own client calls this server.
      const { payments } = (await request.json()) as ScoresBody;
      asked.push(...payments);
      calls.push(payments.length);
      if (delayMs > 0) await Bun.sleep(delayMs);
      const decisions = payments.map((payment) => ({
        payment_id: payment.payment_id,
        decision: "allow",
        score: 0,
        rules: [],
        fail_mode: "review",
        ...decide(payment),
      }));
      return Response.json({ decisions });
    },
  });
  return {
    url: server.url.href,
    asked,
    calls,
    decide: (by) => {
      decide = by;
    },
    delay: (ms) => {
      delayMs = ms;
    },
    stop: () => void server.stop(true),
  };
}
