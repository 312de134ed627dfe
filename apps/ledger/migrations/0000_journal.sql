CREATE TABLE "account" (
	"tenant_id" text collate "C" NOT NULL,
	"mode" text collate "C" NOT NULL,
	"currency" text collate "C" NOT NULL,
	"account" text collate "C" NOT NULL,
	"debits" numeric(38, 0) DEFAULT '0' NOT NULL,
	"credits" numeric(38, 0) DEFAULT '0' NOT NULL,
	"transfers" bigint DEFAULT 0 NOT NULL,
	"opened_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "account_tenant_id_mode_currency_account_pk" PRIMARY KEY("tenant_id","mode","currency","account"),
	CONSTRAINT "account_name" CHECK (account in ('processor_clearing', 'tenant_payable', 'fee_revenue', 'suspense')),
	CONSTRAINT "account_sums" CHECK (debits >= 0 and credits >= 0 and transfers >= 0)
);
--> statement-breakpoint
CREATE TABLE "consumer_progress" (
	"topic" text collate "C" PRIMARY KEY NOT NULL,
	"events" bigint NOT NULL,
	"transfers" bigint NOT NULL,
	"last_event_id" text collate "C" NOT NULL,
	"last_occurred_at" timestamp (3) with time zone NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "lease" (
	"name" text PRIMARY KEY NOT NULL,
	"holder" text NOT NULL,
	"fence" bigint NOT NULL,
	"expires_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "reconciliation" (
	"reconciliation_id" text collate "C" PRIMARY KEY NOT NULL,
	"kind" text collate "C" NOT NULL,
	"status" text collate "C" DEFAULT 'queued' NOT NULL,
	"from_at" timestamp (3) with time zone,
	"to_at" timestamp (3) with time zone,
	"position" jsonb,
	"settlements" bigint DEFAULT 0 NOT NULL,
	"transfers" bigint DEFAULT 0 NOT NULL,
	"accounts" bigint DEFAULT 0 NOT NULL,
	"findings" bigint DEFAULT 0 NOT NULL,
	"error" text collate "C",
	"requested_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"started_at" timestamp (3) with time zone,
	"finished_at" timestamp (3) with time zone,
	CONSTRAINT "reconciliation_kind" CHECK (kind in ('continuous', 'full', 'on_demand')),
	CONSTRAINT "reconciliation_status" CHECK (status in ('queued', 'running', 'completed', 'failed'))
);
--> statement-breakpoint
CREATE TABLE "reconciliation_finding" (
	"finding_id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "reconciliation_finding_finding_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"reconciliation_id" text collate "C" NOT NULL,
	"kind" text collate "C" NOT NULL,
	"subject" text collate "C" NOT NULL,
	"tenant_id" text collate "C" NOT NULL,
	"mode" text collate "C" NOT NULL,
	"currency" text collate "C" NOT NULL,
	"payment_id" text collate "C",
	"refund_id" text collate "C",
	"journal_id" text collate "C",
	"account" text collate "C",
	"expected" text collate "C",
	"found" text collate "C",
	"detail" text collate "C" NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "reconciliation_finding_once" UNIQUE("reconciliation_id","kind","subject"),
	CONSTRAINT "reconciliation_finding_kind" CHECK (kind in ('missing_in_ledger', 'missing_in_payment', 'amount_mismatch', 'status_mismatch',
        'balance_drift'))
);
--> statement-breakpoint
CREATE TABLE "refused_posting" (
	"event_id" text collate "C" NOT NULL,
	"type" text collate "C" NOT NULL,
	"tenant_id" text collate "C" NOT NULL,
	"mode" text collate "C" NOT NULL,
	"currency" text collate "C" NOT NULL,
	"amount" bigint NOT NULL,
	"payment_id" text collate "C" NOT NULL,
	"refund_id" text collate "C",
	"booked_journal_id" text collate "C" NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "refused_posting_once" UNIQUE NULLS NOT DISTINCT("event_id","type","tenant_id","mode","currency","amount","payment_id","refund_id")
);
--> statement-breakpoint
CREATE TABLE "transfer" (
	"journal_id" text collate "C" PRIMARY KEY NOT NULL,
	"event_id" text collate "C" NOT NULL,
	"type" text collate "C" NOT NULL,
	"tenant_id" text collate "C" NOT NULL,
	"mode" text collate "C" NOT NULL,
	"currency" text collate "C" NOT NULL,
	"debit_account" text collate "C" NOT NULL,
	"credit_account" text collate "C" NOT NULL,
	"amount" bigint NOT NULL,
	"payment_id" text collate "C" NOT NULL,
	"refund_id" text collate "C",
	"effective_at" timestamp (3) with time zone NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "transfer_event" UNIQUE("event_id"),
	CONSTRAINT "transfer_payment" UNIQUE NULLS NOT DISTINCT("payment_id","refund_id"),
	CONSTRAINT "transfer_amount" CHECK (amount between 1 and 999999999999),
	CONSTRAINT "transfer_mode" CHECK (mode in ('live', 'test')),
	CONSTRAINT "transfer_currency" CHECK (currency ~ '^[A-Z]{3}$'),
	CONSTRAINT "transfer_sides" CHECK ((type = 'capture' and refund_id is null
          and debit_account = 'processor_clearing' and credit_account = 'tenant_payable')
        or (type = 'refund' and refund_id is not null
          and debit_account = 'tenant_payable' and credit_account = 'processor_clearing'))
);
--> statement-breakpoint
ALTER TABLE "reconciliation_finding" ADD CONSTRAINT "reconciliation_finding_reconciliation_id_reconciliation_reconciliation_id_fk" FOREIGN KEY ("reconciliation_id") REFERENCES "public"."reconciliation"("reconciliation_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "reconciliation_open" ON "reconciliation" USING btree ("requested_at") WHERE status in ('queued', 'running');--> statement-breakpoint
CREATE INDEX "reconciliation_latest" ON "reconciliation" USING btree ("kind","requested_at");--> statement-breakpoint
CREATE INDEX "reconciliation_finding_page" ON "reconciliation_finding" USING btree ("reconciliation_id","finding_id");--> statement-breakpoint
CREATE UNIQUE INDEX "transfer_refund" ON "transfer" USING btree ("refund_id") WHERE refund_id is not null;--> statement-breakpoint
CREATE INDEX "transfer_list" ON "transfer" USING btree ("tenant_id","mode","currency","journal_id");--> statement-breakpoint
CREATE INDEX "transfer_effective" ON "transfer" USING btree ("effective_at","journal_id");