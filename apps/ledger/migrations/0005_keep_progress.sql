-- Stores where a partition goes on behind events that the bus gave up: no batch of theirs is booked that would tell it.
create function keep_partition_progress(p_topic text, p_log text, p_partition integer, p_next bigint) returns void
language sql security definer set search_path = pg_catalog, public, pg_temp as $$
  insert into partition_progress as held (topic, log, partition, next_offset)
  values (p_topic, p_log, p_partition, p_next)
      on conflict (topic, log, partition) do update
     set next_offset = excluded.next_offset, updated_at = now();
$$;
--> statement-breakpoint
revoke execute on function keep_partition_progress(text, text, integer, bigint) from public;
--> statement-breakpoint
grant execute on function keep_partition_progress(text, text, integer, bigint) to ledger_service;
