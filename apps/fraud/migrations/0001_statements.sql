-- The statements of the hot paths stand in functions because their plans are kept: made while the tables were
-- nearly empty, they would read whole tables for minutes. So scans and hash joins are off within them.
--> statement-breakpoint
-- Sends events to the outbox and lists them, in the transaction of what they tell of. Events of payments that
-- are not among p_payment are left out: another call had decided those before.
create function emit_flags(p_payment text[], p_event text[]) returns void language plpgsql as $$
begin
  insert into flag (payment_id, is_late, rule_triggered, event_id, tenant_id, mode, decision, risk_score,
      is_refund_wanted, flagged_at)
    select e.event ->> 'key', (e.event -> 'data' ->> 'late')::boolean, e.event -> 'data' ->> 'rule_triggered',
           e.event ->> 'event_id', e.event ->> 'tenant_id', e.event ->> 'mode', e.event -> 'data' ->> 'decision',
           (e.event -> 'data' ->> 'risk_score')::smallint, (e.event -> 'data' ->> 'refund')::boolean,
           (e.event -> 'data' ->> 'flagged_at')::timestamptz
      from (select event::jsonb as event from unnest(p_event) as w (event)) e
     where e.event ->> 'key' = any (p_payment);
  insert into outbox (topic, key, envelope)
    select 'fraud.flagged', w.event::jsonb ->> 'key', w.event
      from unnest(p_event) with ordinality as w (event, place)
     where w.event::jsonb ->> 'key' = any (p_payment)
     order by w.place;
end $$;
--> statement-breakpoint
-- Stores a batch of decisions and sends the events of those that are new; answers which those are. The caller
-- looks the others up by a statement of its own: this one's snapshot may be from before they were committed.
create function decide_payments(
  p_payment text[], p_tenant text[], p_mode text[], p_decision text[], p_score smallint[], p_rules text[],
  p_seen text[], p_trigger text[], p_hash text[], p_ip text[], p_event text[])
returns setof text language plpgsql as $$
declare
  made text[];
begin
  with inserted as (
    insert into decision (payment_id, tenant_id, mode, decision, score, rules, seen, trigger, policy_hash, ip)
      select w.payment, w.tenant, w.mode, w.decision, w.score, w.rules::text[], w.seen::double precision[],
             w.trigger, w.hash, w.ip
        from unnest(p_payment, p_tenant, p_mode, p_decision, p_score, p_rules, p_seen, p_trigger, p_hash, p_ip)
          as w (payment, tenant, mode, decision, score, rules, seen, trigger, hash, ip)
      on conflict (payment_id) do nothing
      returning payment_id
  )
  select coalesce(array_agg(payment_id), '{}') into made from inserted;
  if cardinality(p_event) > 0 then
    perform emit_flags(made, p_event);
  end if;
  return query select unnest(made);
end $$;
--> statement-breakpoint
create function find_decisions(p_payment text[]) returns setof decision language sql stable
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
  select * from decision where payment_id = any (p_payment)
$$;
--> statement-breakpoint
-- Payments that need a second look and of which enough is known for it.
create function ready_looks(p_payment text[]) returns setof second_look language sql stable
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
  select s.* from second_look s left join decision d on d.payment_id = s.payment_id
   where s.payment_id = any (p_payment) and s.applied is not null
     and (s.amount is not null or d.payment_id is not null) and d.looked_at is null
$$;
--> statement-breakpoint
-- Keeps the facts of payments that have no decision yet.
create function note_facts(
  p_payment text[], p_tenant text[], p_mode text[], p_amount bigint[], p_currency text[], p_customer text[],
  p_card text[], p_ip text[], p_request text[])
returns void language sql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
  insert into second_look (payment_id, tenant_id, mode, amount, currency, customer_id, card_fingerprint, ip,
      request_id)
    select w.payment, w.tenant, w.mode, w.amount, w.currency, w.customer, w.card, w.ip, w.request
      from unnest(p_payment, p_tenant, p_mode, p_amount, p_currency, p_customer, p_card, p_ip, p_request)
        as w (payment, tenant, mode, amount, currency, customer, card, ip, request)
     where not exists (select from decision d where d.payment_id = w.payment)
    on conflict (payment_id) do update
      set amount = excluded.amount, currency = excluded.currency, customer_id = excluded.customer_id,
          card_fingerprint = excluded.card_fingerprint, ip = excluded.ip
$$;
--> statement-breakpoint
-- Keeps what was applied to payments that went on without a score, unless their second look is done with.
create function note_outcomes(
  p_payment text[], p_tenant text[], p_mode text[], p_applied text[], p_source text[], p_request text[])
returns void language sql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
  insert into second_look (payment_id, tenant_id, mode, applied, source, request_id)
    select w.payment, w.tenant, w.mode, w.applied, w.source, w.request
      from unnest(p_payment, p_tenant, p_mode, p_applied, p_source, p_request)
        as w (payment, tenant, mode, applied, source, request)
     where not exists (
       select from decision d where d.payment_id = w.payment and d.looked_at is not null)
    on conflict (payment_id) do update set applied = excluded.applied, source = excluded.source
$$;
--> statement-breakpoint
-- Ends second looks: each payment once, with its events.
create function finish_looks(p_payment text[], p_event text[]) returns setof text language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  looked text[];
begin
  with ended as (
    update decision d set looked_at = now()
     where d.payment_id = any (p_payment) and d.looked_at is null
    returning d.payment_id
  )
  select coalesce(array_agg(payment_id), '{}') into looked from ended;
  delete from second_look s where s.payment_id = any (p_payment);
  perform emit_flags(looked, p_event);
  return query select unnest(looked);
end $$;
--> statement-breakpoint
create function forget_looks(p_payment text[]) returns void language sql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
  delete from second_look where payment_id = any (p_payment)
$$;
--> statement-breakpoint
-- Statements too short for planning to go wrong are in the stores; what the service may do is said here.
revoke create on schema public from public;
--> statement-breakpoint
grant usage on schema public to fraud_service;
--> statement-breakpoint
grant select, insert, delete on decision, flag to fraud_service;
--> statement-breakpoint
-- A decision is never changed; only its second look is ended.
grant update (looked_at) on decision to fraud_service;
--> statement-breakpoint
grant select, insert, update, delete on policy, policy_version, second_look, outbox, lease to fraud_service;
--> statement-breakpoint
grant usage on all sequences in schema public to fraud_service;
