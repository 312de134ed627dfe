import { connectDatabase, type Database } from "../store/database.ts";
import type { BusName } from "./recorded-bus.ts";

/** A database of the installation, entered as its owner: an app itself may not change what is recorded. */
export interface OwnedDatabase {
  readonly name: string;
  readonly ownerUrl: string;
}

interface BusRow {
  readonly bus: BusName;
  readonly changing_to: BusName | null;
}

/**
 * What all databases of an installation record of their bus. A change goes `begin`, then `finish` or
 * `giveUp`; one that was killed in between is brought to its end by the next `settle`.
 */
export class BusRecords {
  readonly #databases: readonly (Database & { readonly name: string })[];

  /** Databases without such a record, such as a processor's, are left alone. */
  static async open(databases: readonly OwnedDatabase[]): Promise<BusRecords> {
    const open = databases.map(({ name, ownerUrl }) => ({
      ...connectDatabase(ownerUrl, { name: "payflow-bus", max: 1 }),
      name,
    }));
    const all = new BusRecords(open);
    try {
      const tables = await Promise.all(
        open.map(async ({ sql }) => (await sql`select to_regclass('public.event_bus') as name`)[0]?.name),
      );
      const without = open.filter((_, index) => tables[index] == null);
      await Promise.all(without.map((one) => one.close()));
      return new BusRecords(open.filter((one) => !without.includes(one)));
    } catch (error) {
      await all.close();
      throw error;
    }
  }

  private constructor(databases: readonly (Database & { readonly name: string })[]) {
    this.#databases = databases;
  }

  /**
   * The bus that the databases agree on; null before any app was started. What a killed change left behind
   * is finished where one database has its new bus already, since the old one was empty then, and taken
   * back otherwise. No app may be running. Throws when the databases differ for another reason.
   */
  async settle(): Promise<BusName | null> {
    const before = await this.#rows();
    const begun = before.find(({ row }) => row.changing_to !== null)?.row.changing_to ?? null;
    if (begun !== null) {
      const isRecorded = before.some(({ row }) => row.bus === begun);
      await (isRecorded ? this.finish(begun) : this.giveUp());
    }
    const rows = await this.#rows();
    const names = new Set(rows.map(({ row }) => row.bus));
    if (names.size <= 1) return [...names][0] ?? null;
    const told = rows.map(({ name, row }) => `${name} ${row.bus}`).join(", ");
    throw new Error(`The apps' databases record different buses (${told}): one app was started by itself.`);
  }

  /** From now on no relay begins to send; wait for `sending` to become empty. */
  async begin(from: BusName, to: BusName): Promise<void> {
    await this.#each(
      ({ sql }) => sql`
        insert into event_bus (bus, changing_to) values (${from}, ${to})
        on conflict (is_only) do update set changing_to = excluded.changing_to`,
    );
  }

  /** Relays go on as before. */
  async giveUp(): Promise<void> {
    await this.#each(({ sql }) => sql`update event_bus set changing_to = null`);
  }

  /** The new bus is recorded; only relays that were started for it send from now on. */
  async finish(to: BusName): Promise<void> {
    await this.#each(
      ({ sql }) => sql`update event_bus set bus = ${to}, changing_to = null, recorded_at = now()`,
    );
  }

  /** Databases from which a relay may still be sending: one holds a shard as long as its send lasts. */
  async sending(): Promise<string[]> {
    const held = await this.#each(
      ({ sql }) => sql`select 1 from lease where name ~ '^outbox/[0-9]+$' and expires_at > now() limit 1`,
    );
    return this.#databases.filter((_, index) => (held[index]?.length ?? 0) > 0).map(({ name }) => name);
  }

  async close(): Promise<void> {
    await Promise.all(this.#databases.map((database) => database.close()));
  }

  async #rows(): Promise<{ name: string; row: BusRow }[]> {
    const rows = await this.#each(({ sql }) => sql<BusRow[]>`select bus, changing_to from event_bus`);
    return this.#databases.flatMap(({ name }, index) => (rows[index] ?? []).map((row) => ({ name, row })));
  }

  #each<T>(ask: (database: Database) => PromiseLike<T>): Promise<T[]> {
    return Promise.all(this.#databases.map(async (database) => await ask(database)));
  }
}
