import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { buffer } from "node:stream/consumers";
import { gunzipSync, gzipSync } from "node:zlib";
import { helmBinary } from "@payflow/one-machine/cluster/chart-tools.ts";
import { runCommand } from "@payflow/one-machine/processes/run-command.ts";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import tar from "tar-stream";

/**
 * Packages the chart as Helm does into `file`. Helm keeps the times of the chart's files; here they are 0, so
 * that equal charts give equal bytes. Throws what Helm says when it refuses.
 */
export async function packageChart(file: string): Promise<void> {
  const temporary = mkdtempSync(path.join(tmpdir(), "payflow-chart-"));
  try {
    const chart = path.join(repositoryRoot, "charts/payflow");
    const words = ["package", chart, "--destination", temporary];
    const { exitCode, output } = await runCommand([await helmBinary(), ...words]);
    const [name] = readdirSync(temporary);
    if (exitCode !== 0 || name === undefined) throw new Error(`The chart is not packaged: ${output}`);
    writeFileSync(file, await withoutTimes(readFileSync(path.join(temporary, name))));
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

async function withoutTimes(archive: Buffer): Promise<Buffer> {
  const entries = (await readEntries(archive)).sort((left, right) => (left.name < right.name ? -1 : 1));
  const pack = tar.pack();
  for (const { name, content } of entries) pack.entry({ name, mtime: new Date(0), mode: 0o644 }, content);
  pack.finalize();
  return gzipSync(await buffer(pack), { level: 9 });
}

async function readEntries(archive: Buffer): Promise<{ name: string; content: Buffer }[]> {
  const extract = tar.extract();
  extract.end(gunzipSync(archive));
  const entries: { name: string; content: Buffer }[] = [];
  for await (const entry of extract) entries.push({ name: entry.header.name, content: await buffer(entry) });
  return entries;
}
