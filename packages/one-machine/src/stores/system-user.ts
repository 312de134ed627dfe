import { spawnSync } from "node:child_process";

/** The account a store runs as, because PostgreSQL refuses to run as root. */
export interface SystemUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

const accountName = "payflow";

/** The system account `payflow`, made when missing; null when this process is not root and needs none. */
export function unprivilegedUser(): SystemUser | null {
  if (process.getuid?.() !== 0) return null;
  const existing = lookUp(accountName);
  if (existing !== null) return existing;
  const made = spawnSync("useradd", [
    "--system",
    "--no-create-home",
    "--shell",
    "/usr/sbin/nologin",
    accountName,
  ]);
  // Another command may have made the account at the same moment: what counts is that it is there now.
  const account = lookUp(accountName);
  if (account !== null) return account;
  const reason = made.error?.message ?? made.stderr.toString().trim();
  throw new Error(
    `PostgreSQL cannot run as root, and the account "${accountName}" could not be made (${reason}). ` +
      `Run: useradd --system --no-create-home --shell /usr/sbin/nologin ${accountName}`,
  );
}

function lookUp(name: string): SystemUser | null {
  const uid = spawnSync("id", ["-u", name]);
  const gid = spawnSync("id", ["-g", name]);
  if (uid.status !== 0 || gid.status !== 0) return null;
  return { name, uid: Number(uid.stdout.toString()), gid: Number(gid.stdout.toString()) };
}
