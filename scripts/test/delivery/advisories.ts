/** A known hole of a package of the lock file. */
export interface Advisory {
  readonly package: string;
  readonly severity: string;
  readonly title: string;
  readonly url: string;
}

/** What the advisory source said; null where it could not be asked. */
export type Audit = readonly Advisory[] | null;

const grave = new Set(["high", "critical"]);

/** Asks the package registry's advisory source about every version in the lock file. */
export function auditLockFile(folder: string): Audit {
  const run = Bun.spawnSync([process.execPath, "audit", "--json"], { cwd: folder, timeout: 60_000 });
  return readAudit(run.stdout.toString());
}

/** Reads what `bun audit --json` prints: advisories by package. Anything else is no answer. */
export function readAudit(output: string): Audit {
  try {
    const found: Readonly<Record<string, readonly Omit<Advisory, "package">[]>> = JSON.parse(output);
    return Object.entries(found).flatMap(([name, advisories]) =>
      advisories.map(({ severity, title, url }) => ({ package: name, severity, title, url })),
    );
  } catch {
    return null;
  }
}

/** Those that stop a change; the others are told by the weekly run. */
export function graveOnes(advisories: readonly Advisory[]): Advisory[] {
  return advisories.filter(({ severity }) => grave.has(severity));
}
