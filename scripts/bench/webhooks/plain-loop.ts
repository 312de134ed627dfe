import { newId } from "@payflow/contracts/ids.ts";
import { newSigningSecret, signedHeaders } from "../../../apps/notifier/src/sending/signature.ts";

/** What the plain loop is to do; given as JSON. */
export interface PlainLoop {
  readonly url: string;
  readonly count: number;
  readonly connections: number;
  readonly body: string;
}

/**
 * The plainest sender there is: signs a body and posts it over kept connections, so many at a time, and keeps
 * no record of anything. Prints the seconds it took.
 */
async function run({ url, count, connections, body }: PlainLoop): Promise<void> {
  const secret = newSigningSecret();
  const startedAt = performance.now();
  let left = count;
  const loop = async () => {
    while (left > 0) {
      left -= 1;
      const timestamp = Math.floor(Date.now() / 1_000);
      const headers = signedHeaders({ eventId: newId("evt"), timestamp, body }, [secret]);
      const answer = await fetch(url, {
        method: "POST",
        headers: { ...headers, "content-type": "application/json" },
        body,
      });
      await answer.arrayBuffer();
      if (!answer.ok) throw new Error(`the receiver answered ${answer.status}`);
    }
  };
  await Promise.all(Array.from({ length: connections }, loop));
  console.log(JSON.stringify((performance.now() - startedAt) / 1_000));
}

if (import.meta.main) await run(JSON.parse(await Bun.stdin.text()));
