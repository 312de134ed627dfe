import { fileURLToPath } from "node:url";
import { migrate } from "@payflow/service-kit/database.ts";

export const migrationsFolder = fileURLToPath(new URL("../migrations", import.meta.url));

/** Brings the notifier's database to the newest schema, as its owner. Safe with many starting at once. */
export function migrateNotifier(ownerUrl: string): Promise<void> {
  return migrate(ownerUrl, migrationsFolder);
}
