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
CREATE TABLE "governed_policy" (
	"policy_id" text collate "C" PRIMARY KEY NOT NULL,
	"mode" text NOT NULL,
	"hash" text collate "C" NOT NULL,
	"revision" bigint NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL
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
CREATE TABLE "policy_assignment" (
	"tenant_id" text collate "C" PRIMARY KEY NOT NULL,
	"policy_id" text collate "C" NOT NULL,
	"tenant_generation" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "policy_replica" (
	"replica" text PRIMARY KEY NOT NULL,
	"revision" bigint NOT NULL,
	"seen_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "policy_revision" (
	"only" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"number" bigint DEFAULT 0 NOT NULL,
	CONSTRAINT "policy_revision_only" CHECK ("only")
);
--> statement-breakpoint
ALTER TABLE "governed_policy" ADD CONSTRAINT "governed_policy_hash_policy_version_hash_fk" FOREIGN KEY ("hash") REFERENCES "public"."policy_version"("hash") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "policy_assignment_policy" ON "policy_assignment" USING btree ("policy_id");--> statement-breakpoint
insert into policy_revision default values;
--> statement-breakpoint
-- A write takes its leader's row for share and its object's for update, which needs the right to update both.
grant select, insert, update on governed_object, operator_fence to fraud_service;
--> statement-breakpoint
grant select, insert, update, delete on governed_policy, policy_assignment, policy_replica to fraud_service;
--> statement-breakpoint
grant select, update on policy_revision to fraud_service;
