CREATE TABLE "attempt" (
	"delivery_id" text collate "C" NOT NULL,
	"number" smallint NOT NULL,
	"started_at" timestamp with time zone NOT NULL,
	"duration_ms" integer,
	"status_code" smallint,
	"error" text,
	"address" text,
	"response" "bytea",
	CONSTRAINT "attempt_delivery_id_number_started_at_pk" PRIMARY KEY("delivery_id","number","started_at")
) PARTITION BY RANGE ("started_at");
--> statement-breakpoint
CREATE TABLE "delivery" (
	"id" text collate "C" NOT NULL,
	"tenant_id" text collate "C" NOT NULL,
	"mode" text NOT NULL,
	"endpoint_id" text collate "C" NOT NULL,
	"message_id" bigint NOT NULL,
	"status" text DEFAULT 'pending' NOT NULL,
	"attempts" smallint DEFAULT 0 NOT NULL,
	"first_attempt_at" timestamp with time zone,
	"last_attempt_at" timestamp with time zone,
	"last_status_code" smallint,
	"last_error" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"finished_at" timestamp with time zone,
	"unsuccessful_at" timestamp with time zone,
	CONSTRAINT "delivery_tenant_id_mode_id_pk" PRIMARY KEY("tenant_id","mode","id"),
	CONSTRAINT "delivery_status" CHECK (status in ('pending', 'delivered', 'failed', 'canceled'))
);
--> statement-breakpoint
CREATE TABLE "delivery_queue" (
	"delivery_id" text collate "C" PRIMARY KEY NOT NULL,
	"tenant_id" text collate "C" NOT NULL,
	"mode" text NOT NULL,
	"endpoint_id" text collate "C" NOT NULL,
	"message_id" bigint NOT NULL,
	"due" timestamp with time zone DEFAULT now() NOT NULL,
	"attempts" smallint DEFAULT 0 NOT NULL,
	"attempts_before" smallint DEFAULT 0 NOT NULL,
	"first_attempt_at" timestamp with time zone,
	"last_attempt_at" timestamp with time zone,
	"lease" uuid,
	"lease_until" timestamp with time zone,
	CONSTRAINT "delivery_queue_lease" CHECK ((lease is null) = (lease_until is null))
);
--> statement-breakpoint
CREATE TABLE "endpoint" (
	"id" text collate "C" PRIMARY KEY NOT NULL,
	"tenant_id" text collate "C" NOT NULL,
	"mode" text NOT NULL,
	"url" text NOT NULL,
	"events" text[] NOT NULL,
	"description" text,
	"is_default" boolean DEFAULT false NOT NULL,
	"rate_per_second" integer,
	"enabled" boolean DEFAULT true NOT NULL,
	"disabled_reason" text,
	"disabled_at" timestamp with time zone,
	"secret" "bytea" NOT NULL,
	"secret_key_id" text NOT NULL,
	"previous_secret" "bytea",
	"previous_secret_key_id" text,
	"previous_expires_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	"deleted_at" timestamp with time zone,
	CONSTRAINT "endpoint_mode" CHECK (mode in ('live', 'test')),
	CONSTRAINT "endpoint_disabled_reason" CHECK (disabled_reason in ('owner', 'gone', 'failing', 'deleted')),
	CONSTRAINT "endpoint_enabled" CHECK (enabled = (disabled_reason is null))
);
--> statement-breakpoint
CREATE TABLE "endpoint_queue" (
	"endpoint_id" text collate "C" PRIMARY KEY NOT NULL,
	"tenant_id" text collate "C" NOT NULL,
	"mode" text NOT NULL,
	"next_due" timestamp with time zone DEFAULT 'infinity' NOT NULL,
	"turned_at" timestamp with time zone DEFAULT '-infinity' NOT NULL,
	"inflight" integer DEFAULT 0 NOT NULL,
	"cap" integer DEFAULT 4 NOT NULL,
	"rate_at" timestamp with time zone DEFAULT '-infinity' NOT NULL,
	"paused_until" timestamp with time zone DEFAULT '-infinity' NOT NULL,
	"consecutive_failures" integer DEFAULT 0 NOT NULL,
	"last_success_at" timestamp with time zone,
	"failing_since" timestamp with time zone,
	"failed_messages" integer DEFAULT 0 NOT NULL,
	"warning" smallint DEFAULT 0 NOT NULL,
	"probe_due" timestamp with time zone,
	"probes" integer DEFAULT 0 NOT NULL,
	CONSTRAINT "endpoint_queue_inflight" CHECK (inflight >= 0),
	CONSTRAINT "endpoint_queue_cap" CHECK (cap between 1 and 64)
);
--> statement-breakpoint
CREATE TABLE "lease" (
	"name" text PRIMARY KEY NOT NULL,
	"holder" text NOT NULL,
	"fence" bigint NOT NULL,
	"expires_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "message" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "message_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"source" text NOT NULL,
	"tenant_id" text collate "C" NOT NULL,
	"mode" text NOT NULL,
	"event_id" text NOT NULL,
	"event" text NOT NULL,
	"body" text NOT NULL,
	"request_id" text,
	"traceparent" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "tenant_queue" (
	"tenant_id" text collate "C" NOT NULL,
	"mode" text NOT NULL,
	"next_due" timestamp with time zone DEFAULT 'infinity' NOT NULL,
	"turned_at" timestamp with time zone DEFAULT '-infinity' NOT NULL,
	"inflight" integer DEFAULT 0 NOT NULL,
	CONSTRAINT "tenant_queue_tenant_id_mode_pk" PRIMARY KEY("tenant_id","mode"),
	CONSTRAINT "tenant_queue_inflight" CHECK (inflight >= 0)
);
--> statement-breakpoint
CREATE INDEX "delivery_of_endpoint" ON "delivery" USING btree ("endpoint_id","id");--> statement-breakpoint
CREATE INDEX "delivery_of_message" ON "delivery" USING btree ("message_id");--> statement-breakpoint
CREATE INDEX "delivery_unsuccessful" ON "delivery" USING btree ("tenant_id","mode","id") WHERE unsuccessful_at is not null;--> statement-breakpoint
CREATE INDEX "delivery_queue_waiting" ON "delivery_queue" USING btree ("endpoint_id","due") WHERE lease is null;--> statement-breakpoint
CREATE INDEX "delivery_queue_leased" ON "delivery_queue" USING btree ("lease_until") WHERE lease is not null;--> statement-breakpoint
CREATE INDEX "endpoint_of_tenant" ON "endpoint" USING btree ("tenant_id","mode","id") WHERE deleted_at is null;--> statement-breakpoint
CREATE UNIQUE INDEX "endpoint_one_default" ON "endpoint" USING btree ("tenant_id","mode") WHERE is_default and deleted_at is null;--> statement-breakpoint
CREATE INDEX "endpoint_queue_turn" ON "endpoint_queue" USING btree ("tenant_id","mode","next_due");--> statement-breakpoint
CREATE INDEX "endpoint_queue_probe" ON "endpoint_queue" USING btree ("probe_due") WHERE probe_due is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "message_once" ON "message" USING btree ("tenant_id","mode","event_id","source");--> statement-breakpoint
CREATE INDEX "tenant_queue_turn" ON "tenant_queue" USING btree ("next_due");