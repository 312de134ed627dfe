-- The service role owns nothing, and never deletes a tenant or a key: what was once given out stays traceable.
revoke create on schema public from public;
--> statement-breakpoint
grant usage on schema public to tenant_service;
--> statement-breakpoint
grant select, insert, update on tenant, api_key to tenant_service;
--> statement-breakpoint
grant select, insert, update, delete on api_key_value, lease, outbox to tenant_service;
--> statement-breakpoint
grant select, insert, delete on change to tenant_service;
--> statement-breakpoint
grant select, update on change_counter to tenant_service;
--> statement-breakpoint
insert into change_counter default values;
