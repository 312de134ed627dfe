CREATE TABLE "event_bus" (
	"is_only" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"bus" text NOT NULL,
	"changing_to" text,
	"recorded_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "event_bus_is_only" CHECK ("event_bus"."is_only"),
	CONSTRAINT "event_bus_known" CHECK ("event_bus"."bus" in ('redis', 'kafka')),
	CONSTRAINT "event_bus_changing_to" CHECK ("event_bus"."changing_to" in ('redis', 'kafka'))
);
--> statement-breakpoint
-- A database that has been served from before this table was made had its events on Redis: there was no other bus.
insert into event_bus (bus) select 'redis' where exists (select 1 from lease);--> statement-breakpoint
-- A change is recorded by the owner alone.
grant select, insert on event_bus to ledger_service;
