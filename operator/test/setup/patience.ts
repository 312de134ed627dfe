import { eventually } from "@payflow/testkit/eventually.ts";

/** As long as what takes a moment by itself may take where very much else is run besides. */
const patience = { timeoutMs: 150_000, everyMs: 50 };

/** Waits for what is sure to come, and whose time is nobody's promise; as `eventually`. */
export function patiently<T>(check: () => T | Promise<T>): Promise<Exclude<T, false>> {
  return eventually(check, patience);
}
