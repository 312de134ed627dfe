/** A whole number from the environment, or what holds without it. */
function wholeNumber(name: string, usual: number): number {
  const text = __ENV[name];
  if (text === undefined || text === "") return usual;
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new Error(`${name} must be a whole number from 1 on, not ${text}`);
  return Number(text);
}

/** How much a scenario does. */
export interface Amount {
  /** Iterations that begin in a second, whatever the answers do. */
  readonly rate: number;
  readonly seconds: number;
}

/** What a scenario does by itself, unless `LOADTEST_RATE` or `LOADTEST_SECONDS` say otherwise. */
export function amountOf(usual: Amount): Amount {
  return {
    rate: wholeNumber("LOADTEST_RATE", usual.rate),
    seconds: wholeNumber("LOADTEST_SECONDS", usual.seconds),
  };
}

/** Where a file of results belongs; null when only the terminal is told. */
export const resultsFolder = __ENV.LOADTEST_RESULTS ?? null;

/** Where webhooks go to; only the fan-out needs it. */
export const receiverUrl = __ENV.LOADTEST_RECEIVER_URL ?? null;

/** How long what is accepted may take to be booked or delivered after the load, in seconds. */
export const drainSeconds = wholeNumber("LOADTEST_DRAIN_SECONDS", 60);

/** Base URLs of the public ports; those of `./payflow up` when nothing else is said. */
export const urls = {
  payment: __ENV.LOADTEST_PAYMENT_URL ?? "http://127.0.0.1:3000",
  ledger: __ENV.LOADTEST_LEDGER_URL ?? "http://127.0.0.1:3001",
  notifier: __ENV.LOADTEST_NOTIFIER_URL ?? "http://127.0.0.1:3002",
  tenant: __ENV.LOADTEST_TENANT_URL ?? "http://127.0.0.1:3003",
  ingest: __ENV.LOADTEST_INGEST_URL ?? "http://127.0.0.1:3005",
};

/** A route that does nothing: payment's own, even where payments go through something else. */
export const noOpUrl = `${__ENV.LOADTEST_NO_OP_URL ?? urls.payment}/health`;

/** The platform owner's token, with which tenants are registered and their limits set. */
export const adminToken = __ENV.LOADTEST_ADMIN_TOKEN ?? "";
