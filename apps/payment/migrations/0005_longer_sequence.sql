ALTER TABLE "payment" ALTER COLUMN "sequence" SET DATA TYPE integer;--> statement-breakpoint
ALTER TABLE "payment" ALTER COLUMN "sequence" SET DEFAULT 1;