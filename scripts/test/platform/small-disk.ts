import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import path from "node:path";

/** A small file system of its own, to be filled. */
export interface SmallDisk {
  readonly folder: string;
  freeBytes(): number;
  /** Takes all the room there is, or all but so many bytes. */
  fill(leaveBytes?: number): void;
  makeRoom(): void;
  remove(): void;
}

/** Mounts one in memory; null where this user may not mount. The folder must not exist yet. */
export function mountSmallDisk(folder: string, megabytes: number): SmallDisk | null {
  mkdirSync(folder, { recursive: true, mode: 0o711 });
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m,mode=711`, "tmpfs", folder]);
  if (mounted.status !== 0) {
    rmSync(folder, { recursive: true });
    return null;
  }
  const filler = path.join(folder, "filler");
  const freeBytes = () => {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  };
  return {
    folder,
    freeBytes,
    fill(leaveBytes = 0) {
      const file = openSync(filler, "a");
      try {
        while (freeBytes() > leaveBytes) {
          const size = Math.min(1 << 20, freeBytes() - leaveBytes);
          if (size <= 0 || !append(file, size)) return;
        }
      } finally {
        closeSync(file);
      }
    },
    makeRoom: () => rmSync(filler, { force: true }),
    remove() {
      // Lazily, since a server that was killed a moment ago may still hold a file.
      spawnSync("umount", ["--lazy", folder]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** False once the disk is full. */
function append(file: number, size: number): boolean {
  try {
    writeSync(file, Buffer.alloc(size, 1));
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOSPC") return false;
    throw error;
  }
}
