CREATE TABLE "decision" (
	"payment_id" text collate "C" PRIMARY KEY NOT NULL,
	"tenant_id" text collate "C" NOT NULL,
	"mode" text NOT NULL,
	"decision" text NOT NULL,
	"score" smallint NOT NULL,
	"rules" text[] NOT NULL,
	"seen" double precision[] NOT NULL,
	"trigger" text,
	"policy_hash" text collate "C" NOT NULL,
	"ip" text,
	"decided_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"looked_at" timestamp (3) with time zone,
	CONSTRAINT "decision_mode" CHECK (mode in ('live', 'test')),
	CONSTRAINT "decision_decision" CHECK ("decision"."decision" in ('allow', 'flag', 'review', 'block')),
	CONSTRAINT "decision_score" CHECK ("decision"."score" between 0 and 100)
);
--> statement-breakpoint
CREATE TABLE "flag" (
	"payment_id" text collate "C" NOT NULL,
	"is_late" boolean NOT NULL,
	"rule_triggered" text NOT NULL,
	"event_id" text collate "C" NOT NULL,
	"tenant_id" text collate "C" NOT NULL,
	"mode" text NOT NULL,
	"decision" text NOT NULL,
	"risk_score" smallint NOT NULL,
	"is_refund_wanted" boolean NOT NULL,
	"flagged_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "flag_payment_id_is_late_rule_triggered_pk" PRIMARY KEY("payment_id","is_late","rule_triggered"),
	CONSTRAINT "flag_mode" CHECK (mode in ('live', 'test')),
	CONSTRAINT "flag_decision" CHECK ("flag"."decision" in ('flag', 'review', 'block'))
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
CREATE TABLE "policy" (
	"tenant_id" text collate "C" NOT NULL,
	"mode" text NOT NULL,
	"hash" text collate "C" NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "policy_tenant_id_mode_pk" PRIMARY KEY("tenant_id","mode"),
	CONSTRAINT "policy_mode" CHECK (mode in ('live', 'test'))
);
--> statement-breakpoint
CREATE TABLE "policy_version" (
	"hash" text collate "C" PRIMARY KEY NOT NULL,
	"document" jsonb NOT NULL,
	"used_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "second_look" (
	"payment_id" text collate "C" PRIMARY KEY NOT NULL,
	"tenant_id" text collate "C" NOT NULL,
	"mode" text NOT NULL,
	"amount" bigint,
	"currency" text,
	"customer_id" text,
	"card_fingerprint" text,
	"ip" text,
	"request_id" text,
	"applied" text,
	"source" text,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "second_look_mode" CHECK (mode in ('live', 'test')),
	CONSTRAINT "second_look_applied" CHECK ("second_look"."applied" in ('allow', 'flag', 'review', 'block')),
	CONSTRAINT "second_look_source" CHECK ("second_look"."source" in ('fail_mode', 'none')),
	CONSTRAINT "second_look_pair" CHECK (("second_look"."applied" is null) = ("second_look"."source" is null))
);
--> statement-breakpoint
ALTER TABLE "policy" ADD CONSTRAINT "policy_hash_policy_version_hash_fk" FOREIGN KEY ("hash") REFERENCES "public"."policy_version"("hash") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "flag_by_tenant" ON "flag" USING btree ("tenant_id","mode","event_id");--> statement-breakpoint
CREATE INDEX "policy_hash" ON "policy" USING btree ("hash");