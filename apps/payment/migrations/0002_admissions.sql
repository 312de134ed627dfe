-- Which operation a payment's state admits, as src/operations/operation.ts has it. The lock keeps the state as it is
-- until the operation stands.
create function operation_admitted() returns trigger language plpgsql set search_path = pg_catalog, public as $$
declare
  found record;
begin
  select status, fraud_decision into found from public.payment where id = new.payment_id for update;
  -- In brackets, or PL/pgSQL would take the first THEN for its own.
  if (case
    when new.kind in ('capture', 'void') then found.status = 'authorized'
    when new.kind in ('approve', 'reject') then found.status = 'flagged' and found.fraud_decision = 'review'
    when new.kind = 'expire' then
      found.status = 'authorized' or (found.status = 'flagged' and found.fraud_decision = 'review')
    else false
  end) then
    return new;
  end if;
  raise exception '% of payment % is not possible while it is %', new.kind, new.payment_id, found.status
    using errcode = 'check_violation', constraint = tg_name;
end $$;
--> statement-breakpoint
create trigger operation_admitted before insert on operation for each row execute function operation_admitted();
--> statement-breakpoint
-- A refund stands only on a succeeded payment of the same tenant, mode and currency that has reserved its amount.
create function refund_admitted() returns trigger language plpgsql set search_path = pg_catalog, public as $$
declare
  found record;
  reserved bigint;
begin
  select * into found from public.payment where id = new.payment_id for update;
  select coalesce(sum(amount), 0) into reserved
    from public.refund where payment_id = new.payment_id and status = 'processing';
  if found.status = 'succeeded' and found.tenant_id = new.tenant_id and found.mode = new.mode
    and found.currency = new.currency and reserved + new.amount <= found.refund_pending
  then
    return new;
  end if;
  raise exception 'refund % of payment %, which is %, has no reservation', new.id, new.payment_id, found.status
    using errcode = 'check_violation', constraint = tg_name;
end $$;
--> statement-breakpoint
create trigger refund_admitted before insert on refund for each row execute function refund_admitted();
