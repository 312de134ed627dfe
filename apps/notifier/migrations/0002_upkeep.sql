-- Partitions of the attempts, one a day in UTC. The service role owns nothing: these two run as the owner.
create function make_attempt_partitions(p_days_ahead integer) returns void
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
  v_day date;
begin
  if p_days_ahead not between 0 and 60 then raise exception 'days ahead must be 0 to 60'; end if;
  -- Two replicas must not both make one.
  perform pg_advisory_xact_lock(hashtext('attempt-partitions'));
  for v_day in
    select d::date from generate_series((now() at time zone 'utc')::date - 1,
                                        (now() at time zone 'utc')::date + p_days_ahead, interval '1 day') as d
  loop
    if to_regclass(format('public.attempt_%s', to_char(v_day, 'YYYYMMDD'))) is null then
      execute format('create table public.attempt_%s partition of public.attempt for values from (%L) to (%L)',
                     to_char(v_day, 'YYYYMMDD'), v_day::text || ' 00:00:00+00', (v_day + 1)::text || ' 00:00:00+00');
    end if;
  end loop;
end $$;
--> statement-breakpoint
-- Drops the partitions of days that ended more than p_keep_days ago; returns how many.
create function drop_attempt_partitions(p_keep_days integer) returns integer
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
  v_table text;
  v_dropped integer := 0;
begin
  if p_keep_days < 7 then raise exception 'attempts are kept for 7 days at least'; end if;
  perform pg_advisory_xact_lock(hashtext('attempt-partitions'));
  for v_table in
    select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
     where i.inhparent = 'public.attempt'::regclass and c.relname ~ '^attempt_[0-9]{8}$'
       and to_date(right(c.relname, 8), 'YYYYMMDD') < (now() at time zone 'utc')::date - p_keep_days
  loop
    execute format('drop table public.%I', v_table);
    v_dropped := v_dropped + 1;
  end loop;
  return v_dropped;
end $$;
--> statement-breakpoint
-- Cancels a bounded number of deliveries that wait for endpoints which were deleted, or have been disabled for
-- p_days; returns how many.
create function cancel_orphans(p_limit integer, p_days integer) returns integer
language plpgsql as $$
declare
  v_canceled integer;
begin
  with orphan as materialized (
    select q.delivery_id, q.tenant_id, q.mode
      from endpoint e
      join delivery_queue q on q.endpoint_id = e.id
     where not e.enabled and q.lease is null
       and (e.deleted_at is not null or e.disabled_at < now() - make_interval(days => p_days))
     limit p_limit for update of q skip locked
  ), unqueued as (
    delete from delivery_queue q using orphan o where q.delivery_id = o.delivery_id
  ), recorded as (
    update delivery d set status = 'canceled', finished_at = now(), unsuccessful_at = now()
      from orphan o where d.tenant_id = o.tenant_id and d.mode = o.mode and d.id = o.delivery_id
  )
  select count(*) into v_canceled from orphan;
  return v_canceled;
end $$;
--> statement-breakpoint
-- Deletes messages from p_after on whose deliveries all ended more than p_days ago, looking at no more than p_limit;
-- returns the last one looked at, or null when there are no more that old.
create function drop_messages(p_after bigint, p_limit integer, p_days integer) returns bigint
language plpgsql as $$
declare
  v_last bigint;
begin
  with old as materialized (
    select m.id from message m
     where m.id > p_after and m.created_at < now() - make_interval(days => p_days)
     order by m.id limit p_limit
  ), done as materialized (
    select o.id from old o
     where not exists (
       select 1 from delivery d where d.message_id = o.id
          and (d.finished_at is null or d.finished_at >= now() - make_interval(days => p_days)))
  ), deliveries as (
    delete from delivery d using done where d.message_id = done.id
  ), messages as (
    delete from message m using done where m.id = done.id
  )
  select max(id) into v_last from old;
  return v_last;
end $$;
--> statement-breakpoint
create index endpoint_closed on endpoint (id) where not enabled;
--> statement-breakpoint
alter table endpoint_queue set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
--> statement-breakpoint
alter table tenant_queue set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
--> statement-breakpoint
alter table delivery_queue set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
--> statement-breakpoint
alter table delivery set (fillfactor = 85);
--> statement-breakpoint
revoke create on schema public from public;
--> statement-breakpoint
grant usage on schema public to notifier_service;
--> statement-breakpoint
grant select, insert, update, delete on endpoint, endpoint_queue, tenant_queue, message, delivery, delivery_queue, lease
  to notifier_service;
--> statement-breakpoint
grant select, insert on attempt to notifier_service;
--> statement-breakpoint
revoke execute on function make_attempt_partitions(integer), drop_attempt_partitions(integer) from public;
--> statement-breakpoint
grant execute on function make_attempt_partitions(integer), drop_attempt_partitions(integer) to notifier_service;
--> statement-breakpoint
select make_attempt_partitions(7);
