import { installPackages } from "@payflow/one-machine/stores/redis-binary.ts";
import { faketimeLibrary } from "@payflow/testkit/faketime.ts";

/**
 * Some tests let a process's clock jump, and others follow what Redis writes to its disk. Without the
 * programs for that they are skipped and say so.
 */
export function installTestTools(): void {
  const mayInstall = process.getuid?.() === 0 && Bun.which("apt-get") !== null;
  const missing = [
    ...(faketimeLibrary() === null ? ["libfaketime"] : []),
    ...(Bun.which("strace") === null ? ["strace"] : []),
  ];
  if (!mayInstall || missing.length === 0) return;
  try {
    installPackages(missing);
  } catch (error) {
    console.error(`payflow: ${error instanceof Error ? error.message : error}`);
  }
}
