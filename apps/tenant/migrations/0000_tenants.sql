CREATE TABLE "api_key" (
	"key_id" text collate "C" PRIMARY KEY NOT NULL,
	"tenant_id" text collate "C" NOT NULL,
	"mode" text collate "C" NOT NULL,
	"name" text collate "C" NOT NULL,
	"scopes" text[] NOT NULL,
	"prefix" text collate "C" NOT NULL,
	"last4" text collate "C" NOT NULL,
	"expires_at" timestamp (3) with time zone,
	"previous_expires_at" timestamp (3) with time zone,
	"revoked_at" timestamp (3) with time zone,
	"last_used_at" timestamp (3) with time zone,
	"version" bigint DEFAULT 0 NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "api_key_mode" CHECK (mode in ('live', 'test'))
);
--> statement-breakpoint
CREATE TABLE "api_key_value" (
	"stored_value" text collate "C" PRIMARY KEY NOT NULL,
	"key_id" text collate "C" NOT NULL,
	"secret_version" integer NOT NULL,
	"ends_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "change" (
	"number" bigint PRIMARY KEY NOT NULL,
	"subject" text collate "C" NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "change_counter" (
	"only" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"number" bigint DEFAULT 0 NOT NULL,
	CONSTRAINT "change_counter_only" CHECK ("only")
);
--> statement-breakpoint
CREATE TABLE "lease" (
	"name" text PRIMARY KEY NOT NULL,
	"holder" text NOT NULL,
	"fence" bigint NOT NULL,
	"expires_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "outbox" (
	"id" bigint GENERATED ALWAYS AS IDENTITY (sequence name "outbox_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"shard" smallint GENERATED ALWAYS AS ((hashtext("key") & 15)::smallint) STORED NOT NULL,
	"topic" text NOT NULL,
	"key" text NOT NULL,
	"envelope" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "outbox_shard_id_pk" PRIMARY KEY("shard","id")
);
--> statement-breakpoint
CREATE TABLE "tenant" (
	"tenant_id" text collate "C" PRIMARY KEY NOT NULL,
	"name" text collate "C" NOT NULL,
	"email" text collate "C" NOT NULL,
	"status" text collate "C" DEFAULT 'active' NOT NULL,
	"requests_per_second" integer NOT NULL,
	"burst" integer NOT NULL,
	"events_per_second" integer NOT NULL,
	"monthly_events" bigint,
	"max_payment_amount" bigint,
	"version" bigint DEFAULT 0 NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "tenant_status" CHECK (status in ('active', 'suspended')),
	CONSTRAINT "tenant_limits" CHECK (requests_per_second > 0 and burst > 0 and events_per_second > 0)
);
--> statement-breakpoint
ALTER TABLE "api_key" ADD CONSTRAINT "api_key_tenant_id_tenant_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenant"("tenant_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "api_key_value" ADD CONSTRAINT "api_key_value_key_id_api_key_key_id_fk" FOREIGN KEY ("key_id") REFERENCES "public"."api_key"("key_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "api_key_list" ON "api_key" USING btree ("tenant_id","mode","key_id") WHERE revoked_at is null;--> statement-breakpoint
CREATE INDEX "api_key_value_key" ON "api_key_value" USING btree ("key_id");--> statement-breakpoint
CREATE INDEX "change_age" ON "change" USING btree ("created_at");