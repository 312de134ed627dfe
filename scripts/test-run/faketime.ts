import { installPackages } from "@payflow/one-machine/stores/redis-binary.ts";
import { faketimeLibrary } from "@payflow/testkit/faketime.ts";

/** Some tests let a process's clock jump. Without the library they are skipped and say so. */
export function installFaketime(): void {
  const mayInstall = process.getuid?.() === 0 && Bun.which("apt-get") !== null;
  if (!mayInstall || faketimeLibrary() !== null) return;
  try {
    installPackages(["libfaketime"]);
  } catch (error) {
    console.error(`payflow: ${error instanceof Error ? error.message : error}`);
  }
}
