CREATE TABLE "partition_progress" (
	"topic" text collate "C" NOT NULL,
	"log" text collate "C" NOT NULL,
	"partition" integer NOT NULL,
	"next_offset" bigint NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "partition_progress_topic_log_partition_pk" PRIMARY KEY("topic","log","partition")
);
--> statement-breakpoint
-- Books a batch of one partition's events and stores in the same transaction where the partition goes on. The stored
-- offset is what the batch's reader says, also when that is less: a log that lost its end, or a reader that tries an
-- earlier event again, has to be followed. First, so that a reader whose partition was given to another waits here.
create function post_partition_transfers(
  p_topic text, p_events bigint, p_last_event_id text, p_last_occurred_at timestamptz, p_postings json,
  p_log text, p_partition integer, p_next bigint
) returns table (booked text[], refused text[])
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
  insert into partition_progress as held (topic, log, partition, next_offset)
  values (p_topic, p_log, p_partition, p_next)
      on conflict (topic, log, partition) do update
     set next_offset = excluded.next_offset, updated_at = now();
  return query select posted.booked, posted.refused
    from post_transfers(p_topic, p_events, p_last_event_id, p_last_occurred_at, p_postings) as posted;
end $$;
--> statement-breakpoint
grant select (topic, log, partition, next_offset, updated_at) on partition_progress to ledger_service;
--> statement-breakpoint
revoke execute on function
  post_partition_transfers(text, bigint, text, timestamptz, json, text, integer, bigint) from public;
--> statement-breakpoint
grant execute on function post_partition_transfers(text, bigint, text, timestamptz, json, text, integer, bigint)
  to ledger_service;
