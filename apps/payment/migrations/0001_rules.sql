-- The transition table of src/payments/payment.ts once more, where no code can go round it. What fraud decided
-- before the update counts, or a blocked payment could be relabelled in the same statement.
create function check_payment_move() returns trigger language plpgsql as $$
begin
  if (case old.status
    when 'processing' then
      new.status = 'failed' or new.status = 'flagged'
      or new.status = 'succeeded' and new.capture_method = 'automatic'
      or new.status = 'authorized' and new.capture_method = 'manual'
    when 'authorized' then new.status = 'succeeded' or new.status = 'voided' or new.status = 'expired'
    when 'flagged' then old.fraud_decision is not distinct from 'review' and (
      new.status = 'voided' or new.status = 'expired'
      or new.status = 'succeeded' and new.capture_method = 'automatic'
      or new.status = 'authorized' and new.capture_method = 'manual')
    else false
  end) then
    return new;
  end if;
  raise exception 'payment % may not move from % to %', new.id, old.status, new.status
    using errcode = 'check_violation', constraint = tg_name;
end $$;
--> statement-breakpoint
create function refuse_move() returns trigger language plpgsql as $$
begin
  raise exception '% % may not move from % to %', tg_table_name, new.id, old.status, new.status
    using errcode = 'check_violation', constraint = tg_name;
end $$;
--> statement-breakpoint
create function refuse_beginning() returns trigger language plpgsql as $$
begin
  raise exception '% % may not begin as %', tg_table_name, new.id, new.status
    using errcode = 'check_violation', constraint = tg_name;
end $$;
--> statement-breakpoint
create trigger payment_moves before update on payment for each row
  when (old.status <> new.status) execute function check_payment_move();
--> statement-breakpoint
create trigger payment_begins before insert on payment for each row
  when (new.status <> 'processing') execute function refuse_beginning();
--> statement-breakpoint
create trigger operation_moves before update on operation for each row
  when (old.status <> new.status and old.status <> 'open') execute function refuse_move();
--> statement-breakpoint
create trigger operation_begins before insert on operation for each row
  when (new.status <> 'open') execute function refuse_beginning();
--> statement-breakpoint
create trigger refund_moves before update on refund for each row
  when (old.status <> new.status and old.status <> 'processing') execute function refuse_move();
--> statement-breakpoint
create trigger refund_begins before insert on refund for each row
  when (new.status <> 'processing') execute function refuse_beginning();
--> statement-breakpoint
-- Claims a batch: idempotency row, payment and event of each request whose key is new, and a row back for every
-- other one. Rows known already are looked up by a statement of their own: a statement that waited for a concurrent
-- request with the same key would look with the snapshot from before and miss it.
-- Joins by hash or scan are off, because plans are kept from when the tables were nearly empty.
create function claim_payments(
  p_key uuid[], p_fingerprint text[], p_id text[], p_tenant text[], p_mode text[], p_amount bigint[],
  p_currency text[], p_capture text[], p_method text[], p_description text[], p_metadata text[],
  p_customer text[], p_card text[], p_ip text[], p_request text[], p_created timestamptz[], p_event text[],
  p_status smallint[], p_answer text[], p_lease_ms integer)
returns table (place integer, subject text, fingerprint bytea, status smallint, answer text)
language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off
as $$
#variable_conflict use_column
declare
  made bigint;
  is_new boolean[];
begin
  insert into idempotency (id, subject, fingerprint, status, answer)
    select w.key, w.id, decode(w.fingerprint, 'hex'), w.status, w.answer
      from unnest(p_key, p_id, p_fingerprint, p_status, p_answer) as w (key, id, fingerprint, status, answer)
    on conflict (id) do nothing;
  get diagnostics made = row_count;
  if made < cardinality(p_key) then
    select array_agg(i.subject = w.id order by w.place) into is_new
      from unnest(p_key, p_id) with ordinality as w (key, id, place) join idempotency i on i.id = w.key;
    if cardinality(is_new) < cardinality(p_key) then
      raise exception 'an idempotency row vanished during its look-up' using errcode = 'serialization_failure';
    end if;
    return query
      select w.place::integer, i.subject, i.fingerprint, i.status, i.answer
        from unnest(p_key, p_id) with ordinality as w (key, id, place) join idempotency i on i.id = w.key
       where not is_new[w.place];
    if made = 0 then
      return;
    end if;
  end if;
  insert into payment (id, tenant_id, mode, amount, currency, capture_method, payment_method, description,
      metadata, customer_id, card_fingerprint, ip, request_id, idempotency_key, created_at, updated_at, due_at)
    select w.id, w.tenant, w.mode, w.amount, w.currency, w.capture, w.method, w.description, w.metadata,
           w.customer, w.card, w.ip, w.request, w.key, w.created, w.created,
           clock_timestamp() + p_lease_ms * interval '1 millisecond'
      from unnest(p_id, p_tenant, p_mode, p_amount, p_currency, p_capture, p_method, p_description, p_metadata,
                  p_customer, p_card, p_ip, p_request, p_key, p_created) with ordinality
        as w (id, tenant, mode, amount, currency, capture, method, description, metadata,
              customer, card, ip, request, key, created, place)
     where is_new is null or is_new[w.place];
  insert into outbox (topic, key, envelope)
    select 'payment.created', w.id, w.event
      from unnest(p_id, p_event) with ordinality as w (id, event, place)
     where is_new is null or is_new[w.place];
end $$;
--> statement-breakpoint
-- Ends a batch of payments that are `processing`: state, stored answer and event of each whose fence and sequence
-- are still the caller's. Returns those that were ended; a caller who was overtaken changes nothing.
create function finish_payments(
  p_id text[], p_fence integer[], p_sequence smallint[], p_status text[], p_captured bigint[],
  p_error_code text[], p_error_message text[], p_decision text[], p_score smallint[], p_rules text[],
  p_source text[], p_expires_ms bigint[], p_updated timestamptz[], p_settled timestamptz[],
  p_http smallint[], p_answer text[], p_topic text[], p_event text[])
returns table (id text, late_decision text)
language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off
as $$
#variable_conflict use_column
begin
  return query
  with ended as (
    update payment p
       set status = w.status, amount_captured = w.captured, error_code = w.error_code,
           error_message = w.error_message, fraud_decision = w.decision, fraud_score = w.score,
           fraud_rules = w.rules, scoring_source = w.source, sequence = w.sequence, updated_at = w.updated,
           settled_at = w.settled, due_at = clock_timestamp() + w.expires_ms * interval '1 millisecond'
      from unnest(p_id, p_fence, p_sequence, p_status, p_captured, p_error_code, p_error_message, p_decision,
                  p_score, p_rules, p_source, p_expires_ms, p_updated, p_settled, p_http, p_answer, p_topic,
                  p_event)
        as w (id, fence, sequence, status, captured, error_code, error_message, decision, score, rules, source,
              expires_ms, updated, settled, http, answer, topic, event)
     where p.id = w.id and p.fence = w.fence and p.status = 'processing' and p.sequence = w.sequence - 1
    returning p.id, p.late_decision, p.idempotency_key, w.http, w.answer, w.topic, w.event
  ), answered as (
    update idempotency i set status = e.http, answer = e.answer from ended e where i.id = e.idempotency_key
  ), told as (
    insert into outbox (topic, key, envelope) select e.topic, e.id, e.event from ended e
  )
  select e.id, e.late_decision from ended e;
end $$;
--> statement-breakpoint
revoke create on schema public from public;
--> statement-breakpoint
grant usage on schema public to payment_service;
--> statement-breakpoint
-- No row of money is ever deleted, and what a payment was made with never changes.
grant select, insert on payment, operation, refund to payment_service;
--> statement-breakpoint
grant update (status, amount_captured, amount_refunded, refund_pending, error_code, error_message, fraud_decision,
    fraud_score, fraud_rules, scoring_source, late_decision, sequence, fence, due_at, inquiries, updated_at,
    settled_at) on payment to payment_service;
--> statement-breakpoint
grant update (status, error_code, error_message, fence, due_at, inquiries, closed_at) on operation
  to payment_service;
--> statement-breakpoint
grant update (status, error_code, error_message, fence, due_at, inquiries, settled_at) on refund to payment_service;
--> statement-breakpoint
grant select, insert, update, delete on idempotency, outbox, lease to payment_service;
--> statement-breakpoint
grant select, insert, update on flag to payment_service;
--> statement-breakpoint
grant usage on all sequences in schema public to payment_service;
