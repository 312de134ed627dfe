import { afterAll, afterEach, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { platform } from "@payflow/one-machine/installation/apps.ts";
import { PortPlan } from "@payflow/one-machine/installation/port-plan.ts";
import { readRunRecord, runningRecord } from "@payflow/one-machine/installation/state.ts";
import { isAlive } from "@payflow/one-machine/processes/child.ts";
import { releasePortBase, reservePortBase } from "@payflow/one-machine/processes/ports.ts";
import { type CommandResult, runCommand } from "@payflow/one-machine/processes/run-command.ts";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import { eventually } from "@payflow/testkit/eventually.ts";

const folder = mkdtempSync(path.join(tmpdir(), "payflow-command-test-"));
chmodSync(folder, 0o711);
const states: string[] = [];
const patienceMs = 120_000;

afterEach(async () => {
  for (const state of states.splice(0)) await payflow("down", "--state", state);
}, patienceMs);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const payflow = (...flags: string[]) => payflowWith({}, ...flags);

function payflowWith(env: Record<string, string>, ...flags: string[]): Promise<CommandResult> {
  const command = [path.join(repositoryRoot, "payflow"), ...flags];
  return runCommand(command, { cwd: folder, env: { ...process.env, ...env } });
}

function newState(name: string): string {
  const state = path.join(folder, name);
  states.push(state);
  return state;
}

async function up(state: string, ...flags: string[]): Promise<CommandResult> {
  return payflow("up", "--detach", "--state", state, ...flags);
}

/** The supervisor, PostgreSQL, two Redis servers and the replicas of the apps. */
const processCount = (replicas: number) => 4 + replicas * platform.apps.length;

/** Every process of the installation, the supervisor among them. */
function processesOf(state: string) {
  const record = readRunRecord(state);
  if (record === null) throw new Error(`Nothing is recorded in ${state}.`);
  const children = record.processes.map(({ pid, startedAt }) => ({
    pid: pid ?? 0,
    startedAt: startedAt ?? "",
  }));
  return [record.supervisor, ...children];
}

test(
  "up, status, logs, a second up, more replicas, down, and up again with the data still there",
  async () => {
    const state = newState("story");
    const portBase = await reservePortBase();
    const first = await up(state, "--port-base", `${portBase}`);
    expect(first).toMatchObject({ exitCode: 0 });
    for (const words of [
      "payment-1 ready",
      `http://127.0.0.1:${portBase}/docs`,
      "admin-token",
      "tenants/register",
    ]) {
      expect(first.output).toContain(words);
    }
    const processes = processesOf(state);
    expect(processes.filter(isAlive)).toHaveLength(processCount(1));

    const registered = await fetch(`http://127.0.0.1:${portBase + 3}/tenants/register`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ name: "Acme", email: "owner@acme.example" }),
    });
    expect(registered.status).toBe(201);
    const { api_key: apiKey } = (await registered.json()) as { api_key: string }; // Checked by its use below.

    const status = await payflow("status", "--state", state);
    expect(status.exitCode).toBe(0);
    expect(status.output).toMatch(/payment-1 +ready +\d+ +\d+ +0 +\d+ MiB/);
    const total = Number(/total +(\d+) MiB/.exec(status.output)?.[1]);
    expect(total).toBeGreaterThan(50);
    expect(total).toBeLessThan(900);
    expect((await payflow("logs", "payment", "--state", state)).output).toMatch(/^payment-1 +\| /m);
    expect(await payflow("logs", "-n", "0", "--state", state)).toMatchObject({ exitCode: 0, output: "" });

    const second = await up(state, "--port-base", `${portBase}`);
    expect(second).toMatchObject({ exitCode: 0 });
    expect(second.output).toContain("already running");
    // There is a tenant by now.
    expect(second.output).not.toContain("tenants/register");
    expect(processesOf(state)).toEqual(processes);

    const more = await up(state, "--replicas", "2");
    expect(more).toMatchObject({ exitCode: 0 });
    expect(more.output).toContain("2 replicas");
    expect(processesOf(state).filter(isAlive)).toHaveLength(processCount(2));

    const all = processesOf(state);
    expect(await payflow("down", "--state", state)).toMatchObject({ exitCode: 0 });
    expect(all.filter(isAlive)).toBeEmpty();
    expect((await payflow("status", "--state", state)).exitCode).toBe(1);

    // Flags are remembered: the same ports and two replicas again.
    expect(await up(state)).toMatchObject({ exitCode: 0 });
    expect(processesOf(state)).toHaveLength(processCount(2));
    const me = await fetch(`http://127.0.0.1:${portBase + 3}/tenants/me`, {
      headers: { "x-api-key": apiKey },
    });
    expect(me.status).toBe(200);
    releasePortBase(portBase);
  },
  patienceMs,
);

test(
  "two installations run side by side on neighbouring port bases",
  async () => {
    const portBase = await reservePortBase();
    const [one, other] = [newState("one"), newState("other")];
    const results = await Promise.all([
      up(one, "--port-base", `${portBase}`),
      up(other, "--port-base", `${await reservePortBase()}`),
    ]);
    expect(results.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
    expect(runningRecord(one)?.phase).toBe("running");
    expect(runningRecord(other)?.phase).toBe("running");
    releasePortBase(portBase);
  },
  patienceMs,
);

test(
  "a taken port is a clear error, and nothing is left running",
  async () => {
    const state = newState("taken");
    const portBase = await reservePortBase();
    const taken = createServer().listen(portBase + 2, "127.0.0.1");
    await eventually(() => taken.listening);
    const result = await up(state, "--port-base", `${portBase}`);
    taken.close();
    expect(result.exitCode).toBe(1);
    expect(result.output).toContain(`Port ${portBase + 2}, meant for the notifier app, is taken`);
    expect(runningRecord(state)).toBeNull();
    releasePortBase(portBase);
  },
  patienceMs,
);

test(
  "after kill -9 of the supervisor everything ends, and the next up works at once",
  async () => {
    const state = newState("killed");
    const portBase = await reservePortBase();
    expect(await up(state, "--port-base", `${portBase}`)).toMatchObject({ exitCode: 0 });
    const processes = processesOf(state);
    process.kill(processes[0]?.pid ?? 0, "SIGKILL");
    expect(await up(state)).toMatchObject({ exitCode: 0 });
    expect(processes.filter(isAlive)).toBeEmpty();
    releasePortBase(portBase);
  },
  patienceMs,
);

test(
  "up in the foreground ends apps, then stores, on Ctrl-C, also in the middle of starting",
  async () => {
    const state = newState("foreground");
    const portBase = `${await reservePortBase()}`;
    for (const phase of ["starting", "running"]) {
      const child = Bun.spawn(
        [path.join(repositoryRoot, "payflow"), "up", "--state", state, "--port-base", portBase],
        { stdin: "ignore", stdout: "pipe", stderr: "pipe", env: { ...process.env }, detached: true },
      );
      await eventually(
        () => {
          const record = readRunRecord(state);
          return record?.phase === phase && record.processes.length > 0;
        },
        { timeoutMs: 60_000, everyMs: 5 },
      );
      const processes = processesOf(state);
      // As a terminal does: to the whole group.
      process.kill(-child.pid, "SIGINT");
      expect(await child.exited).toBe(0);
      expect(processes.filter(isAlive)).toBeEmpty();
      expect(readRunRecord(state)).toBeNull();
    }
    // What PostgreSQL says to clients it still has when it ends.
    expect(readFileSync(path.join(state, "logs/postgres.log"), "utf8")).not.toContain(
      "terminating connection due to administrator command",
    );
    releasePortBase(Number(portBase));
  },
  patienceMs,
);

test(
  "reset deletes a state only when told so, and never a folder that is none",
  async () => {
    const state = newState("reset");
    const portBase = await reservePortBase();
    expect(await up(state, "--port-base", `${portBase}`)).toMatchObject({ exitCode: 0 });
    const hesitant = await payflow("reset", "--state", state);
    expect(hesitant).toMatchObject({ exitCode: 1 });
    expect(hesitant.output).toContain("--yes");
    expect(runningRecord(state)?.phase).toBe("running");
    const processes = processesOf(state);
    expect(await payflow("reset", "--yes", "--state", state)).toMatchObject({ exitCode: 0 });
    expect(processes.filter(isAlive)).toBeEmpty();
    expect(existsSync(state)).toBe(false);
    const other = await payflow("reset", "--yes", "--state", folder);
    expect(other.exitCode).toBe(1);
    expect(existsSync(folder)).toBe(true);
    releasePortBase(portBase);
  },
  patienceMs,
);

test(
  "without Redis, or a way to install it, nothing is started and one line says what to do",
  async () => {
    const programs = path.join(folder, "programs");
    mkdirSync(programs);
    for (const name of ["bun", "cat", "dirname", "grep", "head", "id", "ls", "readlink", "sed", "sh", "su"]) {
      symlinkSync(Bun.which(name) ?? name, path.join(programs, name));
    }
    const { exitCode, output } = await payflowWith({ PATH: programs }, "demo");
    expect(exitCode).toBe(1);
    const lines = output.trimEnd().split("\n");
    expect(lines).toEqual([
      expect.stringContaining("Starting an installation"),
      expect.stringMatching(/^payflow: Redis is missing\. /),
    ]);
  },
  patienceMs,
);

test("every command explains itself, and a wrong flag is an error", async () => {
  for (const command of [
    "up",
    "down",
    "reset",
    "status",
    "logs",
    "cluster",
    "demo",
    "test",
    "bench",
    "generate",
  ]) {
    const help = await payflow(command, "--help");
    expect(help).toMatchObject({ exitCode: 0 });
    expect(help.output).toContain(`Usage: payflow ${command}`);
  }
  expect((await payflow("up", "--replicas", "many")).exitCode).toBe(1);
  const nine = newState("nine");
  expect((await payflow("up", "--replicas", "9", "--state", nine)).output).toContain("from 1 to 8");
  expect(existsSync(nine)).toBe(false);
  expect((await payflow("fly")).exitCode).toBe(1);
});

test(
  "no secret of an installation stands in its logs or on a command line",
  async () => {
    const state = newState("secrets");
    const portBase = await reservePortBase();
    expect(await up(state, "--port-base", `${portBase}`)).toMatchObject({ exitCode: 0 });
    const secrets: Record<string, unknown> = JSON.parse(
      readFileSync(path.join(state, "secrets.json"), "utf8"),
    );
    const texts = Object.entries(secrets)
      .filter(([name]) => name !== "installationId")
      .flatMap(([, value]) => (typeof value === "string" ? [value] : Object.values(value ?? {})));
    expect(texts.length).toBeGreaterThan(10);
    const written = readdirSync(path.join(state, "logs")).map((name) =>
      readFileSync(path.join(state, "logs", name), "utf8"),
    );
    const commandLines = processesOf(state).map(({ pid }) => readFileSync(`/proc/${pid}/cmdline`, "utf8"));
    for (const text of texts) {
      expect([...written, ...commandLines].filter((one) => one.includes(text))).toBeEmpty();
    }
    expect(platform.apps.length).toBe(6);
    expect(new PortPlan(portBase).postgres).toBe(portBase + 2_000);
    releasePortBase(portBase);
  },
  patienceMs,
);
