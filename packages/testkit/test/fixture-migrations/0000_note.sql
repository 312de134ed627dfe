REVOKE CREATE ON SCHEMA public FROM PUBLIC;--> statement-breakpoint
CREATE TABLE note (id bigint PRIMARY KEY, body text NOT NULL);--> statement-breakpoint
GRANT SELECT, INSERT ON note TO fixture_service;
