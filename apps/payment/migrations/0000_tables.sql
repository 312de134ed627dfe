CREATE TABLE "flag" (
	"event_id" text collate "C" PRIMARY KEY NOT NULL,
	"payment_id" text collate "C" NOT NULL,
	"rule" text NOT NULL,
	"score" smallint NOT NULL,
	"decision" text NOT NULL,
	"wants_refund" boolean NOT NULL,
	"fence" integer DEFAULT 1 NOT NULL,
	"due_at" timestamp (3) with time zone,
	"inquiries" integer DEFAULT 0 NOT NULL,
	"flagged_at" timestamp (3) with time zone NOT NULL,
	"received_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"applied_at" timestamp (3) with time zone,
	CONSTRAINT "flag_decision" CHECK (decision in ('flag', 'review', 'block')),
	CONSTRAINT "flag_due_until_applied" CHECK ((applied_at is null) = (due_at is not null))
);
--> statement-breakpoint
CREATE TABLE "idempotency" (
	"id" uuid PRIMARY KEY NOT NULL,
	"subject" text NOT NULL,
	"fingerprint" "bytea" NOT NULL,
	"status" smallint,
	"answer" text,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "idempotency_status" CHECK (status in (200, 201, 202, 402)),
	CONSTRAINT "idempotency_answer" CHECK ((status is null) = (answer is null))
);
--> statement-breakpoint
CREATE TABLE "lease" (
	"name" text PRIMARY KEY NOT NULL,
	"holder" text NOT NULL,
	"fence" bigint NOT NULL,
	"expires_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "operation" (
	"id" uuid PRIMARY KEY NOT NULL,
	"payment_id" text collate "C" NOT NULL,
	"kind" text NOT NULL,
	"amount" bigint,
	"status" text DEFAULT 'open' NOT NULL,
	"error_code" text,
	"error_message" text,
	"request_id" text,
	"idempotency_key" uuid,
	"fence" integer DEFAULT 1 NOT NULL,
	"due_at" timestamp (3) with time zone,
	"inquiries" integer DEFAULT 0 NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"closed_at" timestamp (3) with time zone,
	CONSTRAINT "operation_kind" CHECK (kind in ('capture', 'void', 'approve', 'reject', 'expire', 'flag_void')),
	CONSTRAINT "operation_status" CHECK (status in ('open', 'done', 'refused')),
	CONSTRAINT "operation_amount" CHECK (amount is null or amount > 0),
	CONSTRAINT "operation_closed" CHECK ((status = 'open') = (closed_at is null)),
	CONSTRAINT "operation_due_while_open" CHECK ((status = 'open') = (due_at is not null))
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
CREATE TABLE "payment" (
	"id" text collate "C" PRIMARY KEY NOT NULL,
	"tenant_id" text collate "C" NOT NULL,
	"mode" text NOT NULL,
	"amount" bigint NOT NULL,
	"amount_captured" bigint DEFAULT 0 NOT NULL,
	"amount_refunded" bigint DEFAULT 0 NOT NULL,
	"refund_pending" bigint DEFAULT 0 NOT NULL,
	"currency" text NOT NULL,
	"status" text DEFAULT 'processing' NOT NULL,
	"capture_method" text NOT NULL,
	"payment_method" text NOT NULL,
	"description" text,
	"metadata" text,
	"customer_id" text,
	"card_fingerprint" text,
	"ip" text,
	"error_code" text,
	"error_message" text,
	"fraud_decision" text,
	"fraud_score" smallint,
	"fraud_rules" text,
	"scoring_source" text DEFAULT 'none' NOT NULL,
	"late_decision" text,
	"sequence" smallint DEFAULT 1 NOT NULL,
	"request_id" text NOT NULL,
	"idempotency_key" uuid NOT NULL,
	"fence" integer DEFAULT 1 NOT NULL,
	"due_at" timestamp (3) with time zone,
	"inquiries" integer DEFAULT 0 NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"updated_at" timestamp (3) with time zone NOT NULL,
	"settled_at" timestamp (3) with time zone,
	CONSTRAINT "payment_mode" CHECK (mode in ('live', 'test')),
	CONSTRAINT "payment_amount" CHECK (amount between 1 and 999999999999),
	CONSTRAINT "payment_captured" CHECK (amount_captured between 0 and amount),
	CONSTRAINT "payment_refunded" CHECK (amount_refunded >= 0 and refund_pending >= 0 and amount_refunded + refund_pending <= amount_captured),
	CONSTRAINT "payment_currency" CHECK (currency ~ '^[A-Z]{3}$'),
	CONSTRAINT "payment_status" CHECK (status in ('processing', 'succeeded', 'failed', 'authorized', 'flagged', 'voided', 'expired')),
	CONSTRAINT "payment_capture_method" CHECK (capture_method in ('automatic', 'manual')),
	CONSTRAINT "payment_decision" CHECK (fraud_decision in ('allow', 'flag', 'review', 'block')),
	CONSTRAINT "payment_late_decision" CHECK (late_decision in ('allow', 'flag', 'review', 'block')),
	CONSTRAINT "payment_scoring_source" CHECK (scoring_source in ('score', 'fail_mode', 'none')),
	CONSTRAINT "payment_succeeded_is_captured" CHECK ((status = 'succeeded') = (amount_captured > 0)),
	CONSTRAINT "payment_failed_says_why" CHECK (status <> 'failed' or error_code is not null),
	CONSTRAINT "payment_flagged_by" CHECK (status <> 'flagged' or fraud_decision in ('review', 'block')),
	CONSTRAINT "payment_settled_when_final" CHECK ((settled_at is not null) = (status in ('succeeded', 'failed', 'voided', 'expired')
        or (status = 'flagged' and fraud_decision = 'block')))
);
--> statement-breakpoint
CREATE TABLE "refund" (
	"id" text collate "C" PRIMARY KEY NOT NULL,
	"payment_id" text collate "C" NOT NULL,
	"tenant_id" text collate "C" NOT NULL,
	"mode" text NOT NULL,
	"amount" bigint NOT NULL,
	"currency" text NOT NULL,
	"reason" text,
	"status" text DEFAULT 'processing' NOT NULL,
	"error_code" text,
	"error_message" text,
	"flag_event_id" text collate "C",
	"request_id" text,
	"idempotency_key" uuid,
	"fence" integer DEFAULT 1 NOT NULL,
	"due_at" timestamp (3) with time zone,
	"inquiries" integer DEFAULT 0 NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"settled_at" timestamp (3) with time zone,
	CONSTRAINT "refund_one_per_flag" UNIQUE("flag_event_id"),
	CONSTRAINT "refund_mode" CHECK (mode in ('live', 'test')),
	CONSTRAINT "refund_amount" CHECK (amount > 0),
	CONSTRAINT "refund_status" CHECK (status in ('processing', 'succeeded', 'failed')),
	CONSTRAINT "refund_settled_when_final" CHECK ((status = 'processing') = (settled_at is null)),
	CONSTRAINT "refund_due_while_open" CHECK ((status = 'processing') = (due_at is not null))
);
--> statement-breakpoint
ALTER TABLE "operation" ADD CONSTRAINT "operation_payment_id_payment_id_fk" FOREIGN KEY ("payment_id") REFERENCES "public"."payment"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "refund" ADD CONSTRAINT "refund_payment_id_payment_id_fk" FOREIGN KEY ("payment_id") REFERENCES "public"."payment"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "flag_payment" ON "flag" USING btree ("payment_id");--> statement-breakpoint
CREATE INDEX "flag_due" ON "flag" USING btree ("due_at") WHERE due_at is not null;--> statement-breakpoint
CREATE INDEX "idempotency_age" ON "idempotency" USING brin ("created_at") WITH (autosummarize=true);--> statement-breakpoint
CREATE UNIQUE INDEX "operation_one_open" ON "operation" USING btree ("payment_id") WHERE status = 'open';--> statement-breakpoint
CREATE INDEX "operation_payment" ON "operation" USING btree ("payment_id");--> statement-breakpoint
CREATE INDEX "operation_due" ON "operation" USING btree ("due_at") WHERE due_at is not null;--> statement-breakpoint
CREATE INDEX "payment_list" ON "payment" USING btree ("tenant_id","mode","created_at","id");--> statement-breakpoint
CREATE INDEX "payment_due" ON "payment" USING btree ("due_at") WHERE due_at is not null;--> statement-breakpoint
CREATE INDEX "payment_settled" ON "payment" USING btree ("settled_at","id") WHERE settled_at is not null;--> statement-breakpoint
CREATE INDEX "refund_payment" ON "refund" USING btree ("payment_id","created_at","id");--> statement-breakpoint
CREATE INDEX "refund_due" ON "refund" USING btree ("due_at") WHERE due_at is not null;--> statement-breakpoint
CREATE INDEX "refund_settled" ON "refund" USING btree ("settled_at","id") WHERE settled_at is not null;