-- Noting payments and asking which of them are ready for their second look is one call: it happens for every batch
-- of events, and hardly ever is one ready.
drop function note_facts(text[], text[], text[], bigint[], text[], text[], text[], text[], text[]);
--> statement-breakpoint
drop function note_outcomes(text[], text[], text[], text[], text[], text[]);
--> statement-breakpoint
-- Keeps the facts of payments that have no decision yet.
create function note_facts(
  p_payment text[], p_tenant text[], p_mode text[], p_amount bigint[], p_currency text[], p_customer text[],
  p_card text[], p_ip text[], p_request text[])
returns setof second_look language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
begin
  insert into second_look (payment_id, tenant_id, mode, amount, currency, customer_id, card_fingerprint, ip,
      request_id)
    select w.payment, w.tenant, w.mode, w.amount, w.currency, w.customer, w.card, w.ip, w.request
      from unnest(p_payment, p_tenant, p_mode, p_amount, p_currency, p_customer, p_card, p_ip, p_request)
        as w (payment, tenant, mode, amount, currency, customer, card, ip, request)
     where not exists (select from decision d where d.payment_id = w.payment)
    on conflict (payment_id) do update
      set amount = excluded.amount, currency = excluded.currency, customer_id = excluded.customer_id,
          card_fingerprint = excluded.card_fingerprint, ip = excluded.ip;
  return query select * from ready_looks(p_payment);
end $$;
--> statement-breakpoint
-- Keeps what was applied to payments that went on without a score, unless their second look is done with.
create function note_outcomes(
  p_payment text[], p_tenant text[], p_mode text[], p_applied text[], p_source text[], p_request text[])
returns setof second_look language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
begin
  insert into second_look (payment_id, tenant_id, mode, applied, source, request_id)
    select w.payment, w.tenant, w.mode, w.applied, w.source, w.request
      from unnest(p_payment, p_tenant, p_mode, p_applied, p_source, p_request)
        as w (payment, tenant, mode, applied, source, request)
     where not exists (
       select from decision d where d.payment_id = w.payment and d.looked_at is not null)
    on conflict (payment_id) do update set applied = excluded.applied, source = excluded.source;
  return query select * from ready_looks(p_payment);
end $$;
