-- As in every app: the service's role works with the tables and owns nothing.
revoke create on schema public from public;
--> statement-breakpoint
grant select, insert, update, delete on outbox, lease to relay_service;
