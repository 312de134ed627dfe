import { randomUUID } from "node:crypto";
import { mkdir, open, readdir, realpath, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import type { ExportTarget } from "./target.ts";

/** Holds files that are not whole yet; readers of the folder leave out names that begin with a dot. */
const partialFolder = ".partial";
const abandonedMs = 86_400_000;

/**
 * A folder on this machine's disks, or one that all exporters share. A file is written under a temporary
 * name, synced, renamed, and then its folder is synced too: a power loss takes neither file nor name.
 */
export function createFolderTarget(root: string): ExportTarget {
  const partial = path.join(root, partialFolder);
  let isSwept = false;
  return {
    async put(name, pieces, signal) {
      const target = path.join(root, name);
      const folder = path.dirname(target);
      await makeFolder(partial);
      if (!isSwept) await sweep(partial);
      isSwept = true;
      await requireInside(root, folder);
      await makeFolder(folder);
      const temporary = path.join(partial, `${path.basename(name)}.${randomUUID()}`);
      try {
        await writeSynced(temporary, pieces);
        signal.throwIfAborted();
        await rename(temporary, target);
      } catch (error) {
        await rm(temporary, { force: true });
        throw error;
      }
      await syncFolder(folder);
    },
  };
}

/** Removes what processes left that were killed while they wrote; no file takes a day to be written. */
async function sweep(partial: string): Promise<void> {
  for (const name of await readdir(partial)) {
    const file = path.join(partial, name);
    const found = await stat(file).catch(() => null);
    if (found !== null && Date.now() - found.mtimeMs > abandonedMs) await rm(file, { force: true });
  }
}

async function writeSynced(file: string, pieces: readonly Uint8Array[]): Promise<void> {
  const handle = await open(file, "wx", 0o640);
  try {
    for (const piece of pieces) await handle.writeFile(piece);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes a folder with those above it; each one's own name is synced in the one above. */
async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode: 0o750 });
  if (first === undefined) return;
  for (let made = folder; made.length >= first.length; made = path.dirname(made)) {
    await syncFolder(path.dirname(made));
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Prefixes cannot name what lies outside, but a link in the folder could lead there. */
async function requireInside(root: string, folder: string): Promise<void> {
  const realRoot = await realpath(root);
  for (let made = folder; made.length >= root.length; made = path.dirname(made)) {
    const real = await realpath(made).catch((error: unknown) => absentAsNull(error));
    // What is not there yet will be made in the one above.
    if (real === null) continue;
    if (real === realRoot || real.startsWith(realRoot + path.sep)) return;
    throw new Error(`${made} leads out of the export folder by a link`);
  }
}

function absentAsNull(error: unknown): null {
  if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
  throw error;
}
