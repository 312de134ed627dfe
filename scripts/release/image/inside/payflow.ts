/** What the image may be told to be, each loaded only when it is asked for. */
const programs: Readonly<Record<string, () => Promise<unknown>>> = {
  payment: () => import("../../../../apps/payment/src/main.ts"),
  ledger: () => import("../../../../apps/ledger/src/main.ts"),
  notifier: () => import("../../../../apps/notifier/src/main.ts"),
  tenant: () => import("../../../../apps/tenant/src/main.ts"),
  fraud: () => import("../../../../apps/fraud/src/main.ts"),
  ingest: () => import("../../../../apps/ingest/src/main.ts"),
  operator: () => import("../../../../operator/src/main.ts"),
  migrate: async () => {
    const { runMigrations } = await import("./migrate.ts");
    await runMigrations(process.argv[3] ?? "", process.env);
  },
  "first-payment": async () => {
    const { makeFirstPayment } = await import("./first-payment.ts");
    await makeFirstPayment(process.env);
  },
};

const name = process.argv[2] ?? "";
const program = Object.hasOwn(programs, name) ? programs[name] : undefined;
if (program === undefined) {
  process.stderr.write(`payflow: "${name}" is none of ${Object.keys(programs).join(", ")}.\n`);
  process.exit(64);
}
try {
  await program();
} catch (error) {
  process.stderr.write(`${name}: ${error instanceof Error ? error.message : error}\n`);
  process.exit(1);
}

export {};
