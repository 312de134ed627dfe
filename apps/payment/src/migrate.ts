import { fileURLToPath } from "node:url";
import { migrate } from "@payflow/service-kit/database.ts";

const folder = (name: string) => fileURLToPath(new URL(`../${name}`, import.meta.url));

/** Brings payment's database to the newest schema, as its owner. Safe with many starting at once. */
export function migratePayment(ownerUrl: string): Promise<void> {
  return migrate(ownerUrl, folder("migrations"));
}

/** The same for the simulated processor's own database. */
export function migrateProcessor(ownerUrl: string): Promise<void> {
  return migrate(ownerUrl, folder("migrations-processor"));
}
