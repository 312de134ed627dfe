import postgres from "postgres";
import type { Extra } from "./extra.ts";

/** Compares how many requests of the loud tenant, the run's second, were let through with its payments. */
export const grantedPayments: Extra = async (target) => ({
  environment: {},
  async finish({ tenants, figures }) {
    const granted = figures.find(({ name }) => name === "loud_granted count")?.value ?? 0;
    const payment = postgres(target.databaseUrl("payment"), { max: 1, onnotice: () => {} });
    const [row] = await payment<{ count: number }[]>`
      select count(*)::int as count from payment where tenant_id = ${tenants[1] ?? ""}`;
    await payment.end({ timeout: 2 });
    return {
      truths: [
        {
          name: "the loud tenant has one payment for each request that was let through",
          isTrue: granted > 0 && row?.count === granted,
          found: `${row?.count} payments, ${granted} requests`,
        },
      ],
      figures: [],
    };
  },
  async stop() {},
});
