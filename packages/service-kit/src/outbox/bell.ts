import type { Sql } from "postgres";
import { outboxChannel } from "./outbox.ts";

/**
 * Announcements of one process are this far apart at least; the relays' polls make up for what is left out.
 */
const ringEveryMs = 10;

/**
 * Tells the relays of other replicas about new rows by NOTIFY, outside the rows' own transaction: a NOTIFY
 * within it would make all commits of the server wait for each other's fsync (PostgreSQL,
 * `PreCommit_Notify`).
 */
export class OutboxBell {
  readonly #sql: Sql;
  readonly #onRing: () => void;
  #listening: { unlisten(): Promise<void> } | null = null;
  #isRinging = false;
  #isAskedAgain = false;

  constructor(sql: Sql, onRing: () => void) {
    this.#sql = sql;
    this.#onRing = onRing;
  }

  /** Listens on a connection of its own, if it does not yet. */
  async listen(): Promise<void> {
    if (this.#listening !== null) return;
    const meta = await this.#sql.listen(outboxChannel, this.#onRing);
    this.#listening = meta;
  }

  ring(): void {
    this.#isAskedAgain = true;
    if (!this.#isRinging) void this.#ringOut();
  }

  async close(): Promise<void> {
    await this.#listening?.unlisten().catch(() => {});
  }

  async #ringOut(): Promise<void> {
    this.#isRinging = true;
    while (this.#isAskedAgain) {
      this.#isAskedAgain = false;
      // Nothing is lost with an announcement: the relays poll besides.
      await this.#sql.notify(outboxChannel, "").catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, ringEveryMs));
    }
    this.#isRinging = false;
  }
}
