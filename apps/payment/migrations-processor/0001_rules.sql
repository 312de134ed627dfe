revoke create on schema public from public;
--> statement-breakpoint
grant usage on schema public to processor_service;
--> statement-breakpoint
-- A journal: nothing in it is deleted, and an effect once recorded never changes; only its calls are counted.
grant select, insert, update (calls) on charge, follow_up to processor_service;
