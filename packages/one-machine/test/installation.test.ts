import { afterAll, afterEach, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { eventually } from "@payflow/testkit/eventually.ts";
import postgres from "postgres";
import { Installation } from "../src/installation/installation.ts";
import { removeState } from "../src/installation/remove-state.ts";
import { type RunningInstallation, startInstallation } from "../src/installation/start-installation.ts";
import { readRunRecord } from "../src/installation/state.ts";
import { identify, isAlive } from "../src/processes/child.ts";
import { releasePortBase, reservePortBase } from "../src/processes/ports.ts";
import { fixturePlatform } from "./fixture/platform.ts";

const folder = mkdtempSync(path.join(tmpdir(), "payflow-installation-test-"));
chmodSync(folder, 0o711);
const running: RunningInstallation[] = [];

afterEach(async () => {
  for (const one of running.splice(0)) await one.stop();
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Options = Parameters<typeof startInstallation>[0];

async function start(options: Options = {}): Promise<RunningInstallation> {
  const started = await startInstallation({ platform: fixturePlatform, isDurable: false, ...options });
  running.push(started);
  return started;
}

async function answer(url: string): Promise<{ pid: number; settings: Record<string, string> }> {
  const response = await fetch(url, { headers: { connection: "close" } });
  // The fixture app answers nothing else.
  return (await response.json()) as { pid: number; settings: Record<string, string> };
}

const alpha = "alpha";

test("two installations run side by side, and each app knows only its own stores", async () => {
  const [one, other] = await Promise.all([start(), start()]);
  const settings = (await answer(one.url(alpha))).settings;
  expect(settings.DATABASE_URL).toBe(one.databaseUrl(alpha, "service"));
  expect(settings.DATABASE_URL).not.toBe(other.databaseUrl(alpha, "service"));
  expect((await answer(other.url("beta"))).pid).not.toBe((await answer(one.url("beta"))).pid);
}, 60_000);

test("data and secrets survive a stop and a new start, and nothing is left running in between", async () => {
  const state = path.join(folder, "kept");
  const first = await start({ state });
  const admin = postgres(first.databaseUrl(alpha, "owner"), { max: 1 });
  await admin`create table kept (id int)`;
  await admin.end();
  const processes = first.installation.processes();
  expect(processes).toHaveLength(5);
  await first.stop();
  running.splice(0);
  for (const { pid } of processes) expect(identify(pid ?? 0)).toBeNull();
  expect(readRunRecord(state)).toBeNull();

  const second = await start({ state });
  expect(second.adminToken).toBe(first.adminToken);
  const again = postgres(second.databaseUrl(alpha, "owner"), { max: 1 });
  const [row] = await again`select to_regclass('kept') as found`;
  expect(row?.found).toBe("kept");
  await again.end();
}, 60_000);

test("a folder with other files in it is never made a state folder, which a reset would delete", async () => {
  const state = path.join(folder, "thesis");
  mkdirSync(state);
  writeFileSync(path.join(state, "chapter-1"), "It was a dark night.");
  expect(start({ state })).rejects.toThrow("holds chapter-1, which is not PayFlow's");
  expect(() => removeState(state)).toThrow("is no state folder of PayFlow");
  expect(existsSync(path.join(state, "chapter-1"))).toBe(true);
});

test("secrets are readable by their owner alone", async () => {
  const one = await start();
  for (const file of ["secrets.json", "admin-token", "running.json", "redis-durable/redis.conf"]) {
    expect(statSync(path.join(one.state, file)).mode & 0o077).toBe(0);
  }
}, 60_000);

test("a killed app is started again, and other replicas answer meanwhile", async () => {
  const one = await start({ replicas: 2 });
  const victim = one.installation.process(alpha, 1)?.pid;
  one.installation.kill(alpha, 1, "SIGKILL");
  await eventually(() => one.installation.process(alpha, 1)?.status !== "ready");
  expect((await answer(one.url(alpha))).pid).toBe(one.installation.process(alpha, 2)?.pid ?? 0);
  await eventually(() => one.installation.process(alpha, 1)?.status === "ready");
  expect(one.installation.process(alpha, 1)?.pid).not.toBe(victim);
  expect(one.installation.process(alpha, 1)?.restarts).toBe(1);
}, 60_000);

test("replicas share the app's port, and each has one of its own", async () => {
  const one = await start({ replicas: 2 });
  const pids = [1, 2].map((replica) => one.installation.process(alpha, replica)?.pid);
  expect([
    (await answer(one.replicaUrl(alpha, 1))).pid,
    (await answer(one.replicaUrl(alpha, 2))).pid,
  ]).toEqual(
    // Both are running, so both have a number.
    pids as number[],
  );
  const seen = new Set<number>();
  await eventually(async () => seen.add((await answer(one.url(alpha))).pid).size === 2);
}, 60_000);

test("changed settings are applied while it runs: more replicas, fewer, other ports", async () => {
  const one = await start();
  const { installation } = one;
  const before = installation.process(alpha)?.pid;
  await installation.apply({ ...installation.settings, replicas: 2 });
  expect(installation.process(alpha, 2)?.status).toBe("ready");
  await installation.apply({ ...installation.settings, replicas: 1 });
  expect(installation.process(alpha, 2)).toBeUndefined();
  expect(installation.process(alpha)?.pid).toBe(before);

  const portBase = await reservePortBase();
  await installation.apply({ ...installation.settings, portBase });
  expect((await answer(`http://127.0.0.1:${portBase}`)).settings.PORT).toBe(`${portBase}`);
  expect(readRunRecord(one.state)).toMatchObject({ changes: 3, problem: null, settings: { portBase } });
  releasePortBase(portBase);
}, 60_000);

test("settings that cannot work leave everything as it is and say why", async () => {
  const one = await start();
  const before = one.installation.processes();
  await one.installation.apply({ ...one.installation.settings, replicas: 99 });
  expect(readRunRecord(one.state)?.problem).toContain("--replicas must be");
  expect(one.installation.processes()).toEqual(before);
}, 60_000);

test("a taken port is named, with what to do, and nothing is started", async () => {
  const portBase = await reservePortBase();
  const taken = createServer().listen(portBase + 1, "127.0.0.1");
  await eventually(() => taken.listening);
  const state = path.join(folder, "taken");
  expect(start({ state, portBase })).rejects.toThrow(
    new RegExp(`Port ${portBase + 1}, meant for the beta app, is taken.*--port-base`),
  );
  await eventually(() => readRunRecord(state)?.phase === "failed");
  expect(readRunRecord(state)?.processes).toBeEmpty();
  taken.close();
  releasePortBase(portBase);
}, 60_000);

test("a port that another installation shares out on purpose counts as taken", async () => {
  const one = await start();
  const { portBase } = one.installation.settings;
  expect(start({ portBase })).rejects.toThrow("is taken");
  expect(
    () => new Installation({ state: one.state, settings: { ...one.installation.settings, portBase } }),
  ).toThrow("already runs the installation");
}, 60_000);

test("an app with a wrong configuration ends the start, says why, and leaves nothing behind", async () => {
  const state = path.join(folder, "wrong");
  for (const problem of ["configuration", "crash"]) {
    const failing = start({ state, env: (app) => (app === "beta" ? { FIXTURE_PROBLEM: problem } : {}) });
    const words = problem === "crash" ? "told to crash" : "FIXTURE_PROBLEM is set";
    expect(failing).rejects.toThrow(words);
    await failing.catch(() => {});
    expect(readRunRecord(state)?.processes).toBeEmpty();
  }
}, 60_000);

test("when the supervisor is killed everything ends with it, and its data stay", async () => {
  const state = path.join(folder, "killed");
  const portBase = await reservePortBase();
  const supervisor = Bun.spawn(
    [process.execPath, path.join(import.meta.dir, "fixture/run.ts"), state, `${portBase}`],
    { stdout: "pipe", stderr: "inherit" },
  );
  const { value } = await supervisor.stdout.getReader().read();
  expect(new TextDecoder().decode(value)).toBe("ready\n");
  const record = readRunRecord(state);
  const children = (record?.processes ?? []).map(({ pid, startedAt }) => ({
    pid: pid ?? 0,
    startedAt: startedAt ?? "",
  }));
  expect(children.filter(isAlive)).toHaveLength(5);
  supervisor.kill("SIGKILL");
  await supervisor.exited;
  if (process.platform === "linux") await eventually(() => !children.some(isAlive));
  await start({ state, portBase });
  expect(children.some(isAlive)).toBe(false);
}, 60_000);

test("a store that dies is started again", async () => {
  const one = await start();
  for (const name of ["postgres", "redis-durable"]) {
    const find = () => one.installation.processes().find((process) => process.name === name);
    const victim = find()?.pid ?? 0;
    process.kill(victim, "SIGKILL");
    await eventually(() => find()?.status === "ready" && find()?.pid !== victim);
  }
}, 60_000);

test("a run record that cannot be written ends nothing", async () => {
  const one = await start();
  // A folder in its place makes every writing of the record fail, for root too.
  rmSync(path.join(one.state, "running.json"));
  mkdirSync(path.join(one.state, "running.json"));
  one.installation.kill(alpha, 1, "SIGKILL");
  await eventually(() => one.installation.process(alpha)?.restarts === 1);
  await eventually(async () => (await answer(one.url(alpha))).pid > 0);
  rmSync(path.join(one.state, "running.json"), { recursive: true });
}, 60_000);

test("a store that was stopped comes back on the same port with its data", async () => {
  const one = await start();
  const sql = postgres(one.databaseUrl(alpha, "owner"), { max: 1, onnotice: () => {} });
  await sql`create table kept (id int)`;
  await one.installation.stopStore("postgres", "SIGKILL");
  // A backend may answer for a moment after its server was killed.
  await eventually(async () =>
    sql`select 1`.then(
      () => false,
      () => true,
    ),
  );
  await one.installation.startStore("postgres");
  await eventually(async () => (await sql`select * from kept`).length === 0);
  await sql.end({ timeout: 1 });
}, 60_000);

test.skipIf(process.getuid?.() !== 0)(
  "root's installation works below a folder that only root may enter, and takes its data along when it goes",
  async () => {
    const closed = path.join(folder, "closed");
    const state = path.join(closed, "state");
    const umask = process.umask(0o077);
    mkdirSync(state, { recursive: true });
    const one = await start({ state });
    process.umask(umask);
    const data = realpathSync(path.join(state, "postgres"));
    expect(data).toStartWith("/var/lib/payflow/");
    await one.stop();
    await (await start({ state })).stop();
    running.splice(0);
    removeState(state);
    expect(existsSync(data)).toBe(false);
  },
  60_000,
);
