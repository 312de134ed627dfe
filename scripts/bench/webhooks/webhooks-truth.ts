import { createHmac } from "node:crypto";
import type { Sql } from "postgres";
import type { BenchCheck } from "../result.ts";
import type { Endpoint } from "./endpoints.ts";
import type { Received } from "./receiver-process.ts";

/** Whether each webhook bears the signature of one of the endpoints (Standard Webhooks, v1). */
export function areSigned(samples: Received["samples"], endpoints: readonly Endpoint[]): boolean {
  const keys = endpoints.map(({ secret }) => Buffer.from(secret.slice("whsec_".length), "base64"));
  return (
    samples.length > 0 &&
    samples.every(({ headers, body }) => {
      const content = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
      return keys.some(
        (key) =>
          headers["webhook-signature"] === `v1,${createHmac("sha256", key).update(content).digest("base64")}`,
      );
    })
  );
}

/** What must hold of notifier's tables once `delivered` webhooks were received. */
export async function checkQueue(sql: Sql, delivered: number): Promise<BenchCheck[]> {
  // What was received last may not be written down yet.
  for (const end = performance.now() + 10_000; performance.now() < end; await Bun.sleep(100)) {
    const [row] = await sql`select count(*)::int as count from delivery where status = 'delivered'`;
    if (row?.count === delivered) break;
  }
  const [deliveries] = await sql`select count(*) filter (where status = 'delivered')::int as delivered,
    count(*) filter (where status = 'delivered' and attempts = 1)::int as at_once from delivery`;
  const [attempts] = await sql`select count(*)::int as count from attempt where status_code = 204`;
  return [
    {
      name: "every webhook that was received is a delivery, made once",
      ok: deliveries?.delivered === delivered && deliveries.at_once === delivered,
    },
    { name: "every attempt is logged", ok: attempts?.count === delivered },
  ];
}
