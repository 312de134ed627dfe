import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { postgresDirectory } from "@payflow/one-machine/installation/process-specs.ts";
import { removeState } from "@payflow/one-machine/installation/remove-state.ts";
import {
  type RunningInstallation,
  startInstallation,
} from "@payflow/one-machine/installation/start-installation.ts";
import { makeStateFolder } from "@payflow/one-machine/installation/state.ts";
import { releasePortBase, reservePortBase } from "@payflow/one-machine/processes/ports.ts";
import postgres from "postgres";
import { CrashTest } from "./crashes/crash-test.ts";

const patienceMs = 600_000;
const state = mkdtempSync(path.join(tmpdir(), "payflow-restore-test-"));
afterAll(() => removeState(state));

function run(...command: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(command);
  if (exitCode !== 0) throw new Error(`${command[0]}: ${stderr}`);
}

/** Files come and go while they are copied, which is why the log has to be copied too. */
function copyRunning(from: string, to: string): void {
  run("cp", "--archive", "--no-clobber", from, to);
}

/**
 * A base backup without tools of the server's version (PostgreSQL, "Making a Base Backup Using the Low Level
 * API"): files are copied while payments go on, and the label says from where on the log completes them.
 */
async function backUp(installation: RunningInstallation, data: string, backup: string): Promise<void> {
  const sql = postgres(installation.databaseUrl("payment", "superuser"), { max: 1, onnotice: () => {} });
  try {
    await sql`select pg_backup_start('drill', fast => true)`;
    run("mkdir", "--mode=700", backup);
    const left = new Set(["pg_wal", "postmaster.pid", "postmaster.opts", "pg_replslot", "pg_stat_tmp"]);
    for (const name of readdirSync(data)) {
      if (!left.has(name)) copyRunning(path.join(data, name), `${backup}/`);
    }
    for (const name of ["pg_wal", "pg_replslot", "pg_stat_tmp"])
      run("mkdir", "--mode=700", path.join(backup, name));
    const [end] = await sql`select labelfile from pg_backup_stop(wait_for_archive => false)`;
    writeFileSync(path.join(backup, "backup_label"), end?.labelfile, { mode: 0o600 });
  } finally {
    await sql.end();
  }
}

/** What an archive would have been given, up to now. */
async function archiveLog(installation: RunningInstallation, data: string, backup: string): Promise<void> {
  const sql = postgres(installation.databaseUrl("payment", "superuser"), { max: 1, onnotice: () => {} });
  await sql`select pg_switch_wal()`;
  await sql.end();
  for (const name of readdirSync(path.join(data, "pg_wal"))) {
    if (/^[0-9A-F]{24}$/.test(name))
      copyRunning(path.join(data, "pg_wal", name), path.join(backup, "pg_wal/"));
  }
}

test(
  "a base backup made under load, and the log since, bring back every acknowledged payment on a server that lost all",
  async () => {
    // Made again with the mode that lets PostgreSQL's own account through.
    rmSync(state, { recursive: true });
    makeStateFolder(state);
    const portBase = await reservePortBase();
    const first = await startInstallation({ state, portBase });
    const data = postgresDirectory(state, first.secrets);
    const backup = `${data}-backup`;
    const crash = await CrashTest.start(first);
    const traffic = crash.traffic(4);
    try {
      await traffic.during(() => backUp(first, data, backup));
      const later = crash.traffic(4);
      await later.during(() => Bun.sleep(2_000));
      // What happens after the last of the log that was kept is what a restore loses, and does once more.
      await crash.truth.settled();
      await archiveLog(first, data, backup);
      await first.stop();
      rmSync(data, { recursive: true });
      // As the server's own account has it: copies keep their owner, folders made here have none yet.
      run("chown", "--recursive", "--reference", path.join(backup, "base"), backup);
      renameSync(backup, data);

      const second = await startInstallation({ state, portBase });
      try {
        await crash.holds([traffic, later]);
        expect(later.acknowledged.length).toBeGreaterThan(10);
        const [{ balance } = { balance: "none" }] = await crash.truth.ledger`
          select sum(debits - credits)::text as balance from account`;
        expect(balance).toBe("0");
        const after = crash.traffic(2);
        await after.during(() => Bun.sleep(500));
        await crash.holds([traffic, later, after]);
      } finally {
        await second.stop();
      }
    } finally {
      await crash.close();
      releasePortBase(portBase);
    }
  },
  patienceMs,
);
