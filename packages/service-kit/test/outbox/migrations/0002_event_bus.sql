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
-- As in every app: a change is recorded by the owner alone.
grant select, insert on event_bus to relay_service;
