import type { RunningInstallation } from "@payflow/one-machine/installation/start-installation.ts";
import postgres from "postgres";

/**
 * Has the ledger book each capture of a new payment twice, as a ledger without its guards would: the unique
 * constraints go, and a trigger of the superuser's repeats each row and its effect on the balances.
 */
export async function plantDoubleBooking(installation: RunningInstallation): Promise<void> {
  const ledger = postgres(installation.databaseUrl("ledger", "superuser"), { max: 1, onnotice: () => {} });
  try {
    await ledger.unsafe(`
      alter table transfer drop constraint transfer_event, drop constraint transfer_payment;
      create function book_again() returns trigger language plpgsql as $$
      begin
        if pg_trigger_depth() > 1 or new.type <> 'capture' then return null; end if;
        insert into transfer
        select (jsonb_populate_record(new, jsonb_build_object('journal_id', overlay(
                  new.journal_id placing case right(new.journal_id, 1) when 'a' then 'b' else 'a' end
                  from length(new.journal_id))))).*;
        insert into account as held (tenant_id, mode, currency, account, debits, credits, transfers)
        values (new.tenant_id, new.mode, new.currency, new.debit_account, new.amount, 0, 1),
               (new.tenant_id, new.mode, new.currency, new.credit_account, 0, new.amount, 1)
            on conflict (tenant_id, mode, currency, account) do update
           set debits = held.debits + excluded.debits, credits = held.credits + excluded.credits,
               transfers = held.transfers + excluded.transfers;
        return null;
      end $$;
      create trigger book_again after insert on transfer for each row execute function book_again();
      alter table transfer enable always trigger book_again;`);
  } finally {
    await ledger.end({ timeout: 2 });
  }
}
