import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { readRunRecord } from "@payflow/one-machine/installation/state.ts";
import { isAlive } from "@payflow/one-machine/processes/child.ts";
import { releasePortBase, reservePortBase } from "@payflow/one-machine/processes/ports.ts";
import { runCommand } from "@payflow/one-machine/processes/run-command.ts";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";

setDefaultTimeout(240_000);

const folder = mkdtempSync(path.join(tmpdir(), "payflow-up-kafka-"));
chmodSync(folder, 0o711);
const state = path.join(folder, "state");

afterAll(async () => {
  await payflow({}, "down", "--state", state);
  rmSync(folder, { recursive: true, force: true });
}, 90_000);

function payflow(env: Record<string, string>, ...flags: string[]) {
  const command = [path.join(repositoryRoot, "payflow"), ...flags];
  return runCommand(command, { cwd: folder, env: { ...process.env, ...env } });
}

const run = (...flags: string[]) => payflow({}, ...flags, "--state", state);

/** The process number that `status` shows of Kafka, its port and its memory in MiB; null where it shows none. */
async function kafkaInStatus(): Promise<{ pid: number; port: number; mebibytes: number } | null> {
  const { exitCode, output } = await run("status");
  expect(exitCode).toBe(0);
  const found = /^kafka +ready +(\d+) +(\d+) +\d+ +(\d+) MiB$/m.exec(output);
  if (found === null) return null;
  return { pid: Number(found[1]), port: Number(found[2]), mebibytes: Number(found[3]) };
}

test("up --bus kafka, status, logs, a change to Redis and back, down, reset", async () => {
  const portBase = await reservePortBase();
  const first = await run("up", "--detach", "--bus", "kafka", "--port-base", `${portBase}`);
  expect(first).toMatchObject({ exitCode: 0 });
  expect(first.output).toContain("kafka ready");
  expect(first.output).toContain(`Kafka at 127.0.0.1:${portBase + 2_003}`);
  const shown = await kafkaInStatus();
  expect(shown?.port).toBe(portBase + 2_003);
  expect(shown?.mebibytes).toBeLessThan(450);
  expect((await run("logs", "kafka")).output).toContain("Kafka Server started");

  const toRedis = await run("up", "--bus", "redis");
  expect(toRedis).toMatchObject({ exitCode: 0 });
  expect(toRedis.output).toContain("kafka is read to its end first");
  expect(await kafkaInStatus()).toBeNull();

  // The flag is remembered, also where the installation does not run.
  expect((await run("down")).exitCode).toBe(0);
  expect((await run("up", "--detach", "--bus", "kafka")).exitCode).toBe(0);
  expect((await run("down")).exitCode).toBe(0);
  expect((await run("up", "--detach")).exitCode).toBe(0);
  expect(await kafkaInStatus()).not.toBeNull();

  const processes = (readRunRecord(state)?.processes ?? []).map(({ pid, startedAt }) => ({
    pid: pid ?? 0,
    startedAt: startedAt ?? "",
  }));
  expect((await run("reset", "--yes")).exitCode).toBe(0);
  expect(processes.filter(isAlive)).toEqual([]);
  expect(existsSync(state)).toBe(false);
  releasePortBase(portBase);
});

test("without Java, or a way to install it, nothing is started and one line says what to do", async () => {
  const programs = path.join(folder, "programs");
  mkdirSync(programs);
  const needed = ["bun", "cat", "dirname", "grep", "head", "id", "ls", "readlink", "sed", "sh"];
  for (const name of [...needed, "redis-server", "redis-check-aof", "setpriv"]) {
    symlinkSync(Bun.which(name) ?? name, path.join(programs, name));
  }
  const lonely = path.join(folder, "lonely");
  const portBase = await reservePortBase();
  const { exitCode, output } = await payflow(
    { PATH: programs, JAVA_HOME: "" },
    ...["up", "--detach", "--bus", "kafka", "--state", lonely, "--port-base", `${portBase}`],
  );
  expect(exitCode).toBe(1);
  expect(output).toMatch(/^payflow: Java is missing, which Kafka runs on\. /m);
  expect(readRunRecord(lonely)?.processes).toBeEmpty();
  releasePortBase(portBase);
});

test("a bus that is none is an error that names those there are", async () => {
  const { exitCode, output } = await run("up", "--bus", "rabbit");
  expect(exitCode).toBe(1);
  expect(output).toContain("redis, kafka");
});
