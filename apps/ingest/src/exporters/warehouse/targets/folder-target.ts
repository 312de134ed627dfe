import { randomUUID } from "node:crypto";
import { mkdir, open, realpath, rename, rm } from "node:fs/promises";
import path from "node:path";
import type { ExportTarget } from "./target.ts";

/** Holds files that are not whole yet; readers of the folder leave out names that begin with a dot. */
const partialFolder = ".partial";

/**
 * A folder on this machine's disks, or one that all exporters share. A file is written under a temporary
 * name, synced, renamed, and then its folder is synced too: a power loss takes neither file nor name.
 */
export function createFolderTarget(root: string): ExportTarget {
  return {
    async put(name, pieces, signal) {
      const target = path.join(root, name);
      const folder = path.dirname(target);
      const partial = path.join(root, partialFolder);
      await makeFolder(partial);
      await makeFolder(folder);
      await requireInside(root, folder);
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
  const [realRoot, realFolder] = await Promise.all([realpath(root), realpath(folder)]);
  if (realFolder !== realRoot && !realFolder.startsWith(realRoot + path.sep)) {
    throw new Error(`${folder} leads out of the export folder by a link`);
  }
}
