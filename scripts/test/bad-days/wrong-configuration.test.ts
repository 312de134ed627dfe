import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { connect } from "node:net";
import { platform } from "@payflow/one-machine/installation/apps.ts";
import { reservePort } from "@payflow/one-machine/processes/ports.ts";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";

setDefaultTimeout(60_000);

/** Settings that every app refuses, each for another reason. */
const wrongEverywhere = {
  DATABASE_URL: "redis://127.0.0.1:6379",
  REDIS_URL: "postgres://app:a-password-of-ours@127.0.0.1/app",
  DURABLE_REDIS_URL: "http://127.0.0.1:6379",
  EVENT_BUS: "carrier-pigeons",
  INSTALLED_APPS: "payment,billing",
  INTERNAL_SERVICE_SECRET: "a-short-secret",
  LOG_LEVEL: "loud",
  DATABASE_POOL: "many",
  TENANT_SERVICE_URL: "tenant:4003",
};

const wrongOfItsOwn: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  payment: { FRAUD_TIMEOUT_MS: "0", PROCESSOR: "abacus", PROCESSOR_DATABASE_URL: "mysql://127.0.0.1/x" },
  ledger: { PAYMENT_SERVICE_URL: "//payment", RECONCILIATION_NIGHTLY: "every night" },
  notifier: { WEBHOOK_ENCRYPTION_KEY: "too-short-a-key", WEBHOOK_ALLOW_PRIVATE: "perhaps" },
  tenant: { API_KEY_SECRET: "too-short-a-key", TENANT_REGISTRATION: "closed", API_KEY_SECRET_VERSION: "1.5" },
  ingest: { INGEST_DURABILITY: "perhaps", INGEST_PARTITIONS: "0", INGEST_ROLE: "none" },
  fraud: { VELOCITY_WINDOW_SECONDS: "1e3", AMOUNT_THRESHOLD_PAISE: "-1" },
};

const right = {
  DATABASE_URL: "postgres://nobody:nothing@127.0.0.1:9/none",
  REDIS_URL: "redis://127.0.0.1:9",
  DURABLE_REDIS_URL: "redis://127.0.0.1:9",
  PROCESSOR_DATABASE_URL: "postgres://nobody:nothing@127.0.0.1:9/none",
  INTERNAL_SERVICE_SECRET: "i".repeat(32),
  ADMIN_TOKEN: "a".repeat(32),
  API_KEY_SECRET: "k".repeat(32),
  WEBHOOK_ENCRYPTION_KEY: "w".repeat(32),
};

interface Ended {
  readonly exitCode: number;
  readonly stderr: string;
  readonly stdout: string;
  readonly hasListened: boolean;
}

/** Runs an app with these settings alone until it ends, knocking at its ports all the while. */
async function run(main: string, settings: Readonly<Record<string, string>>): Promise<Ended> {
  const [port, internalPort] = [await reservePort(), await reservePort()];
  const child = Bun.spawn([process.execPath, "--no-env-file", main], {
    cwd: repositoryRoot,
    env: { PATH: process.env.PATH, PORT: `${port}`, INTERNAL_PORT: `${internalPort}`, ...settings },
    stdout: "pipe",
    stderr: "pipe",
    timeout: 30_000,
    killSignal: "SIGKILL",
  });
  let hasListened = false;
  while (child.exitCode === null && child.signalCode === null) {
    if ((await answers(port)) || (await answers(internalPort))) hasListened = true;
    await Bun.sleep(5);
  }
  const [stderr, stdout] = await Promise.all([child.stderr.text(), child.stdout.text()]);
  return { exitCode: await child.exited, stderr, stdout, hasListened };
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(socket.destroy() !== undefined));
    socket.once("error", () => resolve(false));
  });
}

describe.each([...platform.apps])("$name", ({ name, main }) => {
  test("names every wrong setting in one message, tells no secret, and never listens", async () => {
    const wrong: Record<string, string> = { ...wrongEverywhere, ...wrongOfItsOwn[name] };
    const ended = await run(main, wrong);
    expect([ended.exitCode, ended.hasListened]).toEqual([78, false]);
    const hasDatabase = platform.databases.some((database) => database.name === name);
    const read = Object.keys(wrong).filter((setting) => hasDatabase || !setting.startsWith("DATABASE_"));
    // ADMIN_TOKEN is missing altogether.
    const expected = [...read, "ADMIN_TOKEN"].sort();
    expect(ended.stderr.startsWith(`${name}: The configuration has ${expected.length} problem(s):\n`)).toBe(
      true,
    );
    const named = ended.stderr.split("\n").flatMap((line) => /^ {2}- ([A-Z_]+) /.exec(line)?.[1] ?? []);
    expect(named.sort()).toEqual(expected);
    for (const secret of ["a-password-of-ours", "a-short-secret", "too-short-a-key"]) {
      expect(ended.stderr + ended.stdout).not.toContain(secret);
    }
  });

  test("refuses Kafka without its brokers or with half a login, and never listens", async () => {
    const { DURABLE_REDIS_URL, ...kafka } = { ...right, EVENT_BUS: "kafka" };
    const without = await run(main, name === "ingest" ? { ...kafka, DURABLE_REDIS_URL } : kafka);
    expect([without.exitCode, without.hasListened]).toEqual([78, false]);
    expect(without.stderr).toContain("has 1 problem(s):\n  - KAFKA_BROKERS is missing");
    const half = { KAFKA_BROKERS: "127.0.0.1:9", KAFKA_SASL_USERNAME: "app", KAFKA_TLS_CA_FILE: "/nowhere" };
    const ended = await run(main, { ...right, EVENT_BUS: "kafka", ...half });
    expect([ended.exitCode, ended.hasListened]).toEqual([78, false]);
    expect(ended.stderr).toContain("KAFKA_SASL_MECHANISM is missing");
    expect(ended.stderr).toContain("KAFKA_TLS_CA_FILE: ");
  });
});
