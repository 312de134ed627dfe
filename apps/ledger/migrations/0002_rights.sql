-- The service role reads, posts through one function, and keeps the records of reconciliation. It owns nothing.
revoke create on schema public from public;
--> statement-breakpoint
do $$
begin
  -- Temporary tables are objects too; only the database's owner can take the right back.
  if (select pg_has_role(datdba, 'member') from pg_database where datname = current_database()) then
    execute format('revoke temporary on database %I from public', current_database());
  end if;
end $$;
--> statement-breakpoint
grant usage on schema public to ledger_service;
--> statement-breakpoint
-- By column, not by table: a role with no right on the table as a whole gets an error when it tries to GRANT on it,
-- where one with SELECT only gets a warning. A column added later needs its own grant.
grant select (journal_id, event_id, type, tenant_id, mode, currency, debit_account, credit_account, amount,
              payment_id, refund_id, effective_at, created_at) on "transfer" to ledger_service;
--> statement-breakpoint
grant select (tenant_id, mode, currency, account, debits, credits, transfers, opened_at, updated_at)
  on account to ledger_service;
--> statement-breakpoint
grant select (topic, events, transfers, last_event_id, last_occurred_at, updated_at)
  on consumer_progress to ledger_service;
--> statement-breakpoint
grant select (event_id, type, tenant_id, mode, currency, amount, payment_id, refund_id, booked_journal_id, created_at)
  on refused_posting to ledger_service;
--> statement-breakpoint
grant select, insert, update, delete on reconciliation, reconciliation_finding, lease
  to ledger_service;
--> statement-breakpoint
revoke execute on function transfer_is_append_only(), transfer_keeps_owner(),
  post_transfers(text, bigint, text, timestamptz, json) from public;
--> statement-breakpoint
grant execute on function post_transfers(text, bigint, text, timestamptz, json) to ledger_service;
