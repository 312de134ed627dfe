-- The queue is worked by functions, so that each step is one round trip and no lock is held across the network.
-- Everything of a tenant's queue changes only under the lock of its row in tenant_queue; rows are locked in the
-- order tenant_queue (sorted), endpoint_queue, delivery_queue. Joins by hash or scan are off, because plans are kept
-- from when the tables were nearly empty.

-- Deliveries of one tenant and mode under way at once, over all replicas.
create function tenant_cap() returns integer language sql immutable parallel safe as 'select 128';
--> statement-breakpoint
-- How many an endpoint with a rate may be sent at once: a tenth of a second's worth.
create function rate_burst(p_rate integer) returns integer language sql immutable parallel safe
  as 'select greatest(1, ceil(p_rate / 10.0))::integer';
--> statement-breakpoint
-- Works out the next turn of the given endpoints, and of their tenants. The caller holds the tenants' locks.
create function refresh_queue(p_endpoints text[], p_tenants text[], p_modes text[]) returns void
language plpgsql set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
begin
  update endpoint_queue q
     set next_due = case
           when not w.enabled or q.inflight >= q.cap or w.due is null then 'infinity'
           when w.rate is null then greatest(w.due, q.turned_at, q.paused_until)
           else greatest(w.due, q.turned_at, q.paused_until,
                         q.rate_at - make_interval(secs => (rate_burst(w.rate) - 1.0) / w.rate))
         end
    from (select e.id, e.enabled, e.rate_per_second as rate,
                 (select min(d.due) from delivery_queue d where d.endpoint_id = e.id and d.lease is null) as due
            from endpoint e
           where e.id = any (p_endpoints)) w
   where q.endpoint_id = w.id;
  update tenant_queue t
     set inflight = w.inflight,
         next_due = case when w.inflight >= tenant_cap() then 'infinity'
                         else greatest(w.next_due, t.turned_at) end
    from (select o.tenant_id, o.mode, sum(q.inflight) as inflight, min(q.next_due) as next_due
            from (select distinct tenant_id, mode from unnest(p_tenants, p_modes) as u (tenant_id, mode)) o
            join endpoint_queue q on q.tenant_id = o.tenant_id and q.mode = o.mode
           group by o.tenant_id, o.mode) w
   where t.tenant_id = w.tenant_id and t.mode = w.mode;
end $$;
--> statement-breakpoint
create function lock_tenants(p_tenants text[], p_modes text[]) returns void
language plpgsql set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
begin
  perform 1 from tenant_queue t
    where (t.tenant_id, t.mode) in (select * from unnest(p_tenants, p_modes))
    order by t.tenant_id, t.mode for update;
end $$;
--> statement-breakpoint
-- Stores messages with their deliveries, arrays in step; p_message tells the place of a delivery's message, from 1.
-- A message that is known already adds nothing. Returns how many deliveries were added.
create function enqueue_deliveries(
  p_source text, p_tenant text[], p_mode text[], p_event_id text[], p_event text[], p_body text[],
  p_request text[], p_trace text[], p_delivery text[], p_message integer[], p_endpoint text[]) returns integer
language plpgsql as $$
declare
  v_endpoints text[];
  v_tenants text[];
  v_modes text[];
begin
  with given as (
    select * from unnest(p_tenant, p_mode, p_event_id, p_event, p_body, p_request, p_trace)
      with ordinality as m (tenant_id, mode, event_id, event, body, request_id, traceparent, place)
  ), stored as (
    -- In the order of the unique index, so that two replicas that have the same events do not deadlock.
    insert into message (source, tenant_id, mode, event_id, event, body, request_id, traceparent)
    select p_source, tenant_id, mode, event_id, event, body, request_id, traceparent from given
     order by tenant_id, mode, event_id
    on conflict do nothing
    returning id, tenant_id, mode, event_id
  ), planned as materialized (
    select d.id, d.endpoint_id, s.id as message_id, s.tenant_id, s.mode
      from unnest(p_delivery, p_message, p_endpoint) as d (id, place, endpoint_id)
      join given g on g.place = d.place
      join stored s on s.tenant_id = g.tenant_id and s.mode = g.mode and s.event_id = g.event_id
  ), recorded as (
    insert into delivery (id, tenant_id, mode, endpoint_id, message_id)
    select id, tenant_id, mode, endpoint_id, message_id from planned
  ), queued as (
    insert into delivery_queue (delivery_id, tenant_id, mode, endpoint_id, message_id)
    select id, tenant_id, mode, endpoint_id, message_id from planned
  )
  select array_agg(endpoint_id), array_agg(tenant_id), array_agg(mode)
    into v_endpoints, v_tenants, v_modes from planned;
  if v_endpoints is null then return 0; end if;
  -- The locks come last: a claim that is under way commits first, and what it left is worked out anew here.
  perform lock_tenants(v_tenants, v_modes);
  perform refresh_queue(v_endpoints, v_tenants, v_modes);
  return cardinality(v_endpoints);
end $$;
--> statement-breakpoint
-- Gives a worker up to p_free deliveries under its lease: first tenants by their turn, then endpoints of each by
-- theirs, then the longest due of each endpoint within its cap and rate. A tenant that another transaction holds is
-- passed over, and a tenant gets at most a quarter of what is left. Of the last p_reserve places, an endpoint whose
-- last attempt was not a success gets one at most, and of the last half of those none: however many hang, one that
-- works finds a place. The last row has no delivery: its wait_ms says how long until anybody's next turn, by the
-- store's clock.
create function claim_deliveries(p_lease uuid, p_free integer, p_reserve integer, p_lease_ms integer)
returns table (
  delivery_id text, tenant_id text, mode text, endpoint_id text, number smallint, before smallint,
  event_id text, event text, body text, request_id text, traceparent text, queued_at double precision, url text,
  secret bytea, secret_key_id text, previous_secret bytea, previous_secret_key_id text,
  claimed_at double precision, wait_ms double precision)
language plpgsql set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
#variable_conflict use_column
declare
  v_left integer := p_free;
  v_budget integer;
  v_take integer;
  v_ids text[];
  v_claimed text[] := '{}';
  v_turn record;
  v_place record;
begin
  for v_turn in
    select t.tenant_id, t.mode, t.inflight from tenant_queue t
     where t.next_due <= now() order by t.next_due limit 32
       for update skip locked
  loop
    exit when v_left <= 0;
    v_budget := least(tenant_cap() - v_turn.inflight, greatest(1, v_left / 4));
    for v_place in
      select q.endpoint_id, e.rate_per_second as rate, q.inflight,
             q.consecutive_failures = 0 and q.last_success_at is not null as is_proven,
             least(q.cap - q.inflight, case when e.rate_per_second is null then q.cap else
               floor(rate_burst(e.rate_per_second) + 0.000001
                 - greatest(0, extract(epoch from q.rate_at - now())) * e.rate_per_second)::integer end) as quota
        from endpoint_queue q join endpoint e on e.id = q.endpoint_id
       where q.tenant_id = v_turn.tenant_id and q.mode = v_turn.mode and q.next_due <= now() and e.enabled
       order by q.next_due limit greatest(0, v_budget)
    loop
      exit when v_budget <= 0;
      v_take := least(v_place.quota, v_budget, case
        when v_place.is_proven then v_left
        when v_place.inflight = 0 then greatest(v_left - p_reserve, least(1, v_left - p_reserve / 2))
        else v_left - p_reserve end);
      with leased as (
        update delivery_queue d
           set lease = p_lease, lease_until = now() + make_interval(secs => p_lease_ms / 1000.0),
               attempts = d.attempts + 1, first_attempt_at = coalesce(d.first_attempt_at, now())
         where d.delivery_id in (
           select w.delivery_id from delivery_queue w
            where w.endpoint_id = v_place.endpoint_id and w.lease is null and w.due <= now()
            order by w.due limit greatest(0, v_take))
        returning d.delivery_id
      )
      select coalesce(array_agg(l.delivery_id), '{}') into v_ids from leased l;
      update endpoint_queue q
         set inflight = q.inflight + cardinality(v_ids),
             -- Who finds only the reserve comes back a little later, so that looking for a place costs little.
             turned_at = now() + case when v_take <= 0 and v_place.quota > 0 then interval '250 milliseconds'
                                      else interval '0' end,
             rate_at = case when v_place.rate is null then q.rate_at else
               greatest(q.rate_at, now()) + make_interval(secs => cardinality(v_ids)::float8 / v_place.rate) end
       where q.endpoint_id = v_place.endpoint_id;
      perform refresh_queue(array[v_place.endpoint_id], '{}', '{}');
      v_claimed := v_claimed || v_ids;
      v_budget := v_budget - cardinality(v_ids);
      v_left := v_left - cardinality(v_ids);
    end loop;
    update tenant_queue t set turned_at = now()
     where t.tenant_id = v_turn.tenant_id and t.mode = v_turn.mode;
    perform refresh_queue('{}', array[v_turn.tenant_id], array[v_turn.mode]);
  end loop;
  return query
    select d.delivery_id, d.tenant_id, d.mode, d.endpoint_id, d.attempts, d.attempts_before,
           m.event_id, m.event, m.body, m.request_id, m.traceparent,
           extract(epoch from m.created_at)::double precision, e.url,
           e.secret, e.secret_key_id,
           case when e.previous_expires_at > now() then e.previous_secret end, e.previous_secret_key_id,
           extract(epoch from clock_timestamp())::double precision, null::double precision
      from unnest(v_claimed) as c (id)
      join delivery_queue d on d.delivery_id = c.id
      join message m on m.id = d.message_id
      join endpoint e on e.id = d.endpoint_id;
  delivery_id := null;
  wait_ms := (select extract(epoch from least(min(t.next_due), now() + interval '1 minute') - clock_timestamp())
                from tenant_queue t) * 1000;
  return next;
end $$;
--> statement-breakpoint
-- Records the outcomes of attempts, arrays in step, and moves their deliveries on where the lease still holds.
-- Outcomes are delivered, retry, failed and gone. A retry is due at p_offset seconds after the first attempt, but
-- not within p_least seconds; p_hold holds the whole endpoint back. Returns what befell endpoints.
create function finish_attempts(
  p_delivery text[], p_lease uuid[], p_tenant text[], p_mode text[], p_endpoint text[], p_number integer[],
  p_started double precision[], p_duration integer[], p_status integer[], p_error text[], p_address text[],
  p_response text[], p_outcome text[], p_offset double precision[], p_least double precision[],
  p_hold double precision[])
returns table (endpoint_id text, tenant_id text, mode text, notice text)
language plpgsql set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
#variable_conflict use_column
declare
  v_now timestamptz;
begin
  perform lock_tenants(p_tenant, p_mode);
  -- Not the transaction's beginning: another one may have got the lock in between, and its times come first.
  v_now := clock_timestamp();
  with result as materialized (
    select * from unnest(p_delivery, p_lease, p_number, p_started, p_duration, p_status, p_error, p_address,
                         p_response, p_outcome, p_offset, p_least, p_hold)
      as r (delivery_id, lease, number, started, duration, status, error, address,
            response, outcome, offset_s, least_s, hold_s)
  ), logged as (
    insert into attempt (delivery_id, number, started_at, duration_ms, status_code, error, address, response)
    select delivery_id, number, to_timestamp(started), duration, status, error, address,
           decode(response, 'base64') from result
    on conflict do nothing
  ), held as materialized (
    select q.delivery_id, q.tenant_id, q.mode, q.endpoint_id, q.first_attempt_at, q.last_attempt_at,
           r.number, r.started, r.status, r.error, r.offset_s, r.least_s, r.hold_s,
           case when r.outcome = 'retry' and e.deleted_at is not null then 'canceled' else r.outcome end as outcome
      from result r
      join delivery_queue q on q.delivery_id = r.delivery_id and q.lease = r.lease
      join endpoint e on e.id = q.endpoint_id
  ), finished as (
    delete from delivery_queue q using held h where q.delivery_id = h.delivery_id and h.outcome <> 'retry'
  ), again as (
    update delivery_queue q
       set lease = null, lease_until = null, last_attempt_at = v_now,
           due = greatest(h.first_attempt_at + make_interval(secs => h.offset_s),
                          v_now + make_interval(secs => h.least_s))
      from held h where q.delivery_id = h.delivery_id and h.outcome = 'retry'
  ), recorded as (
    update delivery d
       set attempts = h.number, first_attempt_at = coalesce(d.first_attempt_at, h.first_attempt_at),
           last_attempt_at = to_timestamp(h.started), last_status_code = h.status, last_error = h.error,
           status = case h.outcome when 'retry' then 'pending' when 'gone' then 'failed' else h.outcome end,
           finished_at = case when h.outcome <> 'retry' then v_now end,
           unsuccessful_at = case when h.outcome in ('failed', 'gone', 'canceled') then v_now end
      from held h where d.tenant_id = h.tenant_id and d.mode = h.mode and d.id = h.delivery_id
  ), summary as (
    select h.endpoint_id, count(*) as n,
           count(*) filter (where h.outcome = 'delivered') as successes,
           count(*) filter (where h.error = 'timeout') as timeouts,
           count(*) filter (where h.outcome <> 'delivered'
             and (h.last_attempt_at is null or q.failing_since is null or h.last_attempt_at < q.failing_since)
           ) as newly_failed,
           max(h.hold_s) as hold_s
      from held h join endpoint_queue q on q.endpoint_id = h.endpoint_id
     group by h.endpoint_id
  )
  update endpoint_queue q
     set inflight = q.inflight - s.n,
         consecutive_failures = case when s.successes > 0 then 0 else q.consecutive_failures + s.n end,
         last_success_at = case when s.successes > 0 then v_now else q.last_success_at end,
         failing_since = case when s.successes > 0 then null else coalesce(q.failing_since, v_now) end,
         failed_messages = case when s.successes > 0 then 0 else q.failed_messages + s.newly_failed end,
         warning = case when s.successes > 0 then 0 else q.warning end,
         -- Ten failures in a row open the breaker: one attempt at a time, after pauses from 1 s to 1 min.
         cap = case when s.timeouts > 0 then greatest(1, q.cap / 2)
                    when s.successes > 0 then least(64, q.cap + s.successes)
                    when q.consecutive_failures + s.n >= 10 then 1
                    else q.cap end,
         paused_until = greatest(
           case when s.successes = 0 then q.paused_until else '-infinity' end,
           case when s.successes = 0 and q.consecutive_failures + s.n >= 10
                then v_now + make_interval(secs => least(60, 2 ^ least(6, q.consecutive_failures + s.n - 10)))
                else '-infinity' end,
           case when s.hold_s > 0 then v_now + make_interval(secs => s.hold_s) else '-infinity' end)
    from summary s
   where q.endpoint_id = s.endpoint_id;
  if exists (select 1 from unnest(p_outcome) as o where o <> 'delivered') then
    return query select * from judge_endpoints(
      p_endpoint, (select coalesce(array_agg(r.endpoint), '{}')
                     from unnest(p_endpoint, p_outcome) as r (endpoint, outcome) where r.outcome = 'gone'));
  end if;
  perform refresh_queue(p_endpoint, p_tenant, p_mode);
end $$;
--> statement-breakpoint
-- Disables endpoints that answered 410, and those with 5 days and 10 messages without a success; warns at 50 and
-- 75 percent of both. One that was disabled for failing is probed again, first after an hour.
create function judge_endpoints(p_endpoints text[], p_gone text[])
returns table (endpoint_id text, tenant_id text, mode text, notice text)
language plpgsql set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
#variable_conflict use_column
begin
  return query
    update endpoint e
       set enabled = false, disabled_reason = 'gone', disabled_at = now(), updated_at = now()
     where e.id = any (p_gone) and e.enabled
    returning e.id, e.tenant_id, e.mode, 'gone'::text;
  return query
    with judged as (
      select q.endpoint_id,
             least(extract(epoch from now() - q.failing_since) / (5 * 86400.0), q.failed_messages / 10.0) as share
        from endpoint_queue q where q.endpoint_id = any (p_endpoints) and q.failing_since is not null
    ), disabled as (
      update endpoint e
         set enabled = false, disabled_reason = 'failing', disabled_at = now(), updated_at = now()
        from judged j where e.id = j.endpoint_id and e.enabled and j.share >= 1
      returning e.id, e.tenant_id, e.mode
    ), changed as (
      update endpoint_queue q
         set warning = case when j.share >= 0.75 then 75 else 50 end,
             probe_due = case when exists (select 1 from disabled d where d.id = q.endpoint_id)
                              then now() + interval '1 hour' else q.probe_due end,
             probes = case when exists (select 1 from disabled d where d.id = q.endpoint_id) then 0 else q.probes end
        from judged j
       where q.endpoint_id = j.endpoint_id
         and (q.warning < case when j.share >= 0.75 then 75 when j.share >= 0.5 then 50 else 0 end
              or exists (select 1 from disabled d where d.id = q.endpoint_id))
      returning q.endpoint_id, q.tenant_id, q.mode, q.warning
    )
    select c.endpoint_id, c.tenant_id, c.mode,
           case when exists (select 1 from disabled d where d.id = c.endpoint_id) then 'failing'
                else 'warning_' || c.warning end
      from changed c;
end $$;
--> statement-breakpoint
-- Takes back what workers that ended or stalled had under their lease, a bounded number; the lost attempt is logged.
create function expire_leases(p_limit integer) returns integer
language plpgsql set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_tenants text[];
  v_modes text[];
  v_endpoints text[];
begin
  with overdue as (
    select distinct w.tenant_id, w.mode from (
      select q.tenant_id, q.mode from delivery_queue q
       where q.lease is not null and q.lease_until < now() order by q.lease_until limit p_limit) w
  ), locked as (
    select t.tenant_id, t.mode from tenant_queue t join overdue o on o.tenant_id = t.tenant_id and o.mode = t.mode
     order by t.tenant_id, t.mode for update of t skip locked
  )
  select array_agg(tenant_id), array_agg(mode) into v_tenants, v_modes from locked;
  if v_tenants is null then return 0; end if;
  with lost as materialized (
    select q.delivery_id, q.endpoint_id, q.attempts, q.lease_until from delivery_queue q
     where q.lease is not null and q.lease_until < now()
       and (q.tenant_id, q.mode) in (select * from unnest(v_tenants, v_modes))
     order by q.lease_until limit p_limit
  ), logged as (
    insert into attempt (delivery_id, number, started_at, error)
    select delivery_id, attempts, now(), 'worker_lost' from lost
  ), returned as (
    update delivery_queue q set lease = null, lease_until = null, last_attempt_at = now(), due = now()
      from lost l where q.delivery_id = l.delivery_id
  ), counted as (
    update endpoint_queue q set inflight = q.inflight - l.n
      from (select endpoint_id, count(*) as n from lost group by endpoint_id) l
     where q.endpoint_id = l.endpoint_id
  )
  select array_agg(endpoint_id) into v_endpoints from lost;
  perform refresh_queue(v_endpoints, v_tenants, v_modes);
  return coalesce(cardinality(v_endpoints), 0);
end $$;
--> statement-breakpoint
-- Forgets an endpoint's failures: it was enabled again, or has another URL. The caller holds the tenant's lock.
create function reset_endpoint(p_endpoint text) returns void language sql as $$
  update endpoint_queue
     set cap = greatest(cap, 4), paused_until = '-infinity', consecutive_failures = 0, failing_since = null,
         failed_messages = 0, warning = 0, probe_due = null, probes = 0
   where endpoint_id = p_endpoint;
$$;
