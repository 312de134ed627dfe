CREATE TABLE "governed_object" (
	"id" text collate "C" PRIMARY KEY NOT NULL,
	"cluster" text NOT NULL,
	"namespace" text NOT NULL,
	"name" text NOT NULL,
	"uid" text NOT NULL,
	"generation" bigint NOT NULL,
	"released_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "operator_fence" (
	"cluster" text NOT NULL,
	"lease" text NOT NULL,
	"created_ms" bigint NOT NULL,
	"transitions" bigint NOT NULL,
	CONSTRAINT "operator_fence_cluster_lease_pk" PRIMARY KEY("cluster","lease")
);
--> statement-breakpoint
ALTER TABLE "api_key" ADD COLUMN "managed_by" text collate "C";--> statement-breakpoint
ALTER TABLE "tenant" ADD COLUMN "mode" text collate "C" DEFAULT 'both' NOT NULL;--> statement-breakpoint
ALTER TABLE "tenant" ADD COLUMN "currency" text collate "C";--> statement-breakpoint
ALTER TABLE "tenant" ADD COLUMN "managed_by" text collate "C";--> statement-breakpoint
ALTER TABLE "tenant" ADD COLUMN "deletion_policy" text collate "C";--> statement-breakpoint
ALTER TABLE "tenant" ADD COLUMN "ended" text collate "C";--> statement-breakpoint
ALTER TABLE "tenant" ADD COLUMN "ended_at" timestamp (3) with time zone;--> statement-breakpoint
CREATE INDEX "api_key_governed" ON "api_key" USING btree ("tenant_id","key_id") WHERE managed_by is not null;--> statement-breakpoint
ALTER TABLE "api_key" ADD CONSTRAINT "api_key_managed_by" CHECK (managed_by in ('kubernetes'));--> statement-breakpoint
ALTER TABLE "tenant" ADD CONSTRAINT "tenant_mode" CHECK (mode in ('test', 'live', 'both'));--> statement-breakpoint
ALTER TABLE "tenant" ADD CONSTRAINT "tenant_managed_by" CHECK (managed_by in ('kubernetes'));--> statement-breakpoint
ALTER TABLE "tenant" ADD CONSTRAINT "tenant_ended" CHECK (ended in ('closing', 'archived', 'purged'));--> statement-breakpoint
-- A write takes its leader's row for share and its object's for update, which needs the right to update both.
grant select, insert, update on governed_object, operator_fence to tenant_service;
