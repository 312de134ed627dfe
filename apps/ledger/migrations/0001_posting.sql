-- The journal only ever grows. Statement triggers refuse everything else for everyone, the owner too.
create function transfer_is_append_only() returns trigger
language plpgsql set search_path = pg_catalog, public, pg_temp as $$
begin
  raise exception 'the journal is append-only: % of "transfer" is refused', lower(tg_op)
    using errcode = 'restrict_violation', hint = 'Book a reversing movement instead.';
end $$;
--> statement-breakpoint
create trigger transfer_append_only before update or delete or truncate on "transfer"
  for each statement execute function transfer_is_append_only();
--> statement-breakpoint
alter table "transfer" enable always trigger transfer_append_only;
--> statement-breakpoint
-- All movements of one payment belong to one tenant, mode and currency. A refund may come before its capture, so a
-- foreign key cannot say it; whichever comes second is held against the first.
-- Plans are kept from when the journal was still small: the settings hold them to its indexes.
create function transfer_keeps_owner() returns trigger
language plpgsql set search_path = pg_catalog, public, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_payment text;
begin
  select new_row.payment_id into v_payment
    from new_rows new_row join transfer booked on booked.payment_id = new_row.payment_id
   where (booked.tenant_id, booked.mode, booked.currency) <> (new_row.tenant_id, new_row.mode, new_row.currency)
   limit 1;
  if found then
    raise exception 'movements of payment % would differ in tenant, mode or currency', v_payment
      using errcode = 'check_violation', constraint = 'transfer_one_owner';
  end if;
  return null;
end $$;
--> statement-breakpoint
create trigger transfer_one_owner after insert on "transfer" referencing new table as new_rows
  for each statement execute function transfer_keeps_owner();
--> statement-breakpoint
alter table "transfer" enable always trigger transfer_one_owner;
--> statement-breakpoint
-- Books a batch of postings in the caller's transaction and tells which events were booked and which were refused.
-- Rows go in by their unique keys and accounts are touched in their order, so that two replicas with overlapping
-- batches wait for each other instead of deadlocking. It runs as the owner: the service role may do nothing else.
create function post_transfers(
  p_topic text, p_events bigint, p_last_event_id text, p_last_occurred_at timestamptz, p_postings json
) returns table (booked text[], refused text[])
language plpgsql security definer set search_path = pg_catalog, public, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
begin
  with given as (
    select * from json_to_recordset(p_postings) as posting(
      journal_id text, event_id text, type text, tenant_id text, mode text, currency text, debit_account text,
      credit_account text, amount bigint, payment_id text, refund_id text, effective_at timestamptz)
  ), inserted as (
    insert into transfer (journal_id, event_id, type, tenant_id, mode, currency, debit_account, credit_account,
                          amount, payment_id, refund_id, effective_at)
    select journal_id, event_id, type, tenant_id, mode, currency, debit_account, credit_account,
           amount, payment_id, refund_id, effective_at
      from given where amount > 0
     order by payment_id, refund_id, event_id
        on conflict do nothing
    returning event_id, tenant_id, mode, currency, debit_account, credit_account, amount
  ), legs as (
    select tenant_id, mode, currency, debit_account as account, amount as debit, 0 as credit from inserted
    union all
    select tenant_id, mode, currency, credit_account, 0, amount from inserted
  ), folded as (
    insert into account as held (tenant_id, mode, currency, account, debits, credits, transfers)
    select tenant_id, mode, currency, account, sum(debit), sum(credit), count(*)
      from legs group by 1, 2, 3, 4 order by 1, 2, 3, 4
        on conflict (tenant_id, mode, currency, account) do update
       set debits = held.debits + excluded.debits, credits = held.credits + excluded.credits,
           transfers = held.transfers + excluded.transfers, updated_at = now()
  )
  select coalesce(array_agg(event_id), '{}') into booked from inserted;

  -- A statement of its own, since the insert's snapshot misses rows committed while it waited for them.
  refused := '{}';
  if cardinality(booked) < json_array_length(p_postings) then
    with pending as (
      select * from json_to_recordset(p_postings) as posting(
        event_id text, type text, tenant_id text, mode text, currency text, amount bigint, payment_id text,
        refund_id text)
       where not exists (select from unnest(booked) as done(event_id) where done.event_id = posting.event_id)
    ), known as (
      select pending.*, held.journal_id, held as held
        from pending join transfer held
          on held.payment_id = pending.payment_id and held.refund_id is not distinct from pending.refund_id
      union
      select pending.*, held.journal_id, held as held
        from pending join transfer held on held.refund_id = pending.refund_id
      union
      select pending.*, held.journal_id, held as held
        from pending join transfer held on held.event_id = pending.event_id
    ), recorded as (
      insert into refused_posting (event_id, type, tenant_id, mode, currency, amount, payment_id, refund_id,
                                   booked_journal_id)
      select event_id, type, tenant_id, mode, currency, amount, payment_id, refund_id, journal_id
        from known
       where ((held).type, (held).tenant_id, (held).mode, (held).currency, (held).amount, (held).payment_id,
              (held).refund_id)
             is distinct from (type, tenant_id, mode, currency, amount, payment_id, refund_id)
       order by event_id
          on conflict do nothing
      returning event_id
    )
    select coalesce(array_agg(distinct event_id), '{}') into refused from recorded;
  end if;

  -- Last, because it is one row for all replicas: held only until the commit that follows at once.
  insert into consumer_progress as held (topic, events, transfers, last_event_id, last_occurred_at)
  values (p_topic, p_events, cardinality(booked), p_last_event_id, p_last_occurred_at)
      on conflict (topic) do update
     set events = held.events + excluded.events, transfers = held.transfers + excluded.transfers,
         last_event_id = excluded.last_event_id,
         last_occurred_at = greatest(held.last_occurred_at, excluded.last_occurred_at), updated_at = now();
  return next;
end $$;
