import { cpSync, existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";

/** Every file of this checkout that git has or would take, by its path from the root. */
function checkedOutFiles(): string[] {
  const listing = Bun.spawnSync(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: repositoryRoot,
  });
  const files = listing.stdout.toString().split("\0");
  // One that was removed and not committed yet is still listed.
  return files.filter((file) => file !== "" && existsSync(path.join(repositoryRoot, file)));
}

/** Copies of this checkout into `folder` what `isWanted` says, as it is now. */
export function copyCheckout(folder: string, isWanted: (file: string) => boolean = () => true): void {
  for (const file of checkedOutFiles().filter(isWanted)) {
    const target = path.join(folder, file);
    mkdirSync(path.dirname(target), { recursive: true });
    cpSync(path.join(repositoryRoot, file), target, { verbatimSymlinks: true });
  }
}
