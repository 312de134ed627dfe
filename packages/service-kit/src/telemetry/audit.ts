import type { Logger } from "./logging.ts";

/** A change that somebody made by hand. It holds no settings, which may have secrets. */
export interface Change {
  /** What was done, such as `exporter_put`. */
  readonly audit: string;
  /** Of what. */
  readonly name?: string | undefined;
  /** Whose credential it was: `admin`, or a tenant's id. */
  readonly by: string;
  readonly request_id: string;
  /** How many things it was done to, where it was not one. */
  readonly count?: number;
}

/** Leaves one line of a change that was made; with a text, a warning that says what it stops. */
export function logChange(logger: Logger, change: Change, stops?: string): void {
  if (stops === undefined) logger.info(change, "a change was made by hand");
  else logger.warn(change, stops);
}
