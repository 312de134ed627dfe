CREATE TABLE "charge" (
	"key" text collate "C" PRIMARY KEY NOT NULL,
	"amount" bigint NOT NULL,
	"currency" text NOT NULL,
	"payment_method" text NOT NULL,
	"is_capture" boolean NOT NULL,
	"error_code" text,
	"calls" integer DEFAULT 1 NOT NULL,
	"recorded_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "charge_amount" CHECK (amount > 0)
);
--> statement-breakpoint
CREATE TABLE "follow_up" (
	"key" text PRIMARY KEY NOT NULL,
	"charge_key" text collate "C" NOT NULL,
	"action" text NOT NULL,
	"amount" bigint NOT NULL,
	"error_code" text,
	"calls" integer DEFAULT 1 NOT NULL,
	"recorded_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "follow_up_action" CHECK (action in ('capture', 'void', 'refund'))
);
--> statement-breakpoint
CREATE INDEX "follow_up_charge" ON "follow_up" USING btree ("charge_key");