-- The void that a late flag asks for is admitted like any other void. The lock keeps the state as it is until the
-- operation stands.
create or replace function operation_admitted() returns trigger
language plpgsql set search_path = pg_catalog, public as $$
declare
  found record;
begin
  select status, fraud_decision into found from public.payment where id = new.payment_id for update;
  -- In brackets, or PL/pgSQL would take the first THEN for its own.
  if (case
    when new.kind in ('capture', 'void', 'flag_void') then found.status = 'authorized'
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
