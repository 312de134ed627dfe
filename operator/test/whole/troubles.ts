import { line, statusBody } from "../kubernetes/api-answers.ts";
import { pick, type Random, seeded } from "../kubernetes/seeded-faults.ts";
import type { Asked, Intercept } from "./proxy.ts";

/** What may befall a request; each draws one, most often nothing. */
const troubles = ["none", "none", "none", "none", "none", "429", "500", "reset", "lost", "410"] as const;
/** What may befall a line of a watch. */
const lineTroubles = ["none", "none", "none", "twice", "late", "cut", "error", "end"] as const;

export interface Troubles {
  readonly intercept: Intercept;
  /** How often each was met. */
  readonly met: ReadonlyMap<string, number>;
  /** While it is calm nothing goes wrong anew. */
  setCalm(isCalm: boolean): void;
}

/**
 * Makes requests to a real server fail by seed: refused before they arrive, answered and the answer lost, too
 * many; and watches that stammer, swap events, break off in the middle of a line or end with an error.
 */
export function seededTroubles(seed: number): Troubles {
  const random = seeded(seed);
  const met = new Map<string, number>();
  let isCalm = false;
  const draw = <T extends string>(choices: readonly T[], row: Random): T | "none" => {
    const drawn = isCalm ? "none" : pick(row, choices);
    if (drawn !== "none") met.set(drawn, (met.get(drawn) ?? 0) + 1);
    return drawn;
  };
  let watches = 0;

  async function intercept(asked: Asked, forward: () => Promise<Response>): Promise<Response> {
    const isWatch = asked.url.searchParams.get("watch") === "true";
    const trouble = draw(troubles, random);
    if (trouble === "429") return refusal(429, "TooManyRequests", { "retry-after": "0" });
    if (trouble === "410" && (isWatch || asked.url.searchParams.has("continue")))
      return refusal(410, "Expired");
    if (trouble === "500") return refusal(500, "InternalError");
    if (trouble === "reset") return cut();
    const answer = await forward();
    if (trouble === "lost") {
      // Not waited for: the server behind may have more to say than anybody reads.
      void answer.body?.cancel();
      return cut();
    }
    if (!isWatch || !answer.ok || answer.body === null) return answer;
    watches += 1;
    const row = seeded(seed * 1_000 + watches);
    return new Response(
      troubled(answer.body, () => draw(lineTroubles, row)),
      { headers: answer.headers },
    );
  }

  return {
    intercept,
    met,
    setCalm(wanted) {
      isCalm = wanted;
    },
  };
}

function refusal(code: number, reason: string, headers: Record<string, string> = {}): Response {
  return Response.json(statusBody(code, reason), { status: code, headers });
}

/** An answer whose body breaks off. */
function cut(): Response {
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode('{"ki'));
      controller.error(undefined);
    },
  });
  return new Response(body, { headers: { "content-type": "application/json" } });
}

/** After how long a line comes that others overtake. */
const lateMs = 30;

/** A watch whose lines meet with what is drawn for each. */
function troubled(
  body: ReadableStream<Uint8Array>,
  drawLine: () => (typeof lineTroubles)[number],
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream({
    async start(controller) {
      let isOpen = true;
      const write = (bytes: Uint8Array) => {
        if (isOpen) controller.enqueue(bytes);
      };
      try {
        for await (const one of linesFrom(reader)) {
          const trouble = drawLine();
          if (trouble === "cut") write(one.subarray(0, one.length >> 1));
          if (trouble === "error") write(line("ERROR", statusBody(410, "Expired")));
          if (trouble === "cut" || trouble === "error" || trouble === "end") break;
          if (trouble === "late") setTimeout(() => write(one), lateMs);
          else write(one);
          if (trouble === "twice") write(one);
        }
      } finally {
        isOpen = false;
        controller.error(undefined);
        void reader.cancel();
      }
    },
    cancel: () => reader.cancel(),
  });
}

/** Lines with their ends. */
async function* linesFrom(reader: {
  read(): Promise<{ readonly value?: Uint8Array | undefined }>;
}): AsyncGenerator<Buffer> {
  let rest = Buffer.alloc(0);
  for (;;) {
    const { value } = await reader.read();
    if (value === undefined) return;
    rest = Buffer.concat([rest, value]);
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      yield rest.subarray(0, end + 1);
      rest = rest.subarray(end + 1);
    }
  }
}
