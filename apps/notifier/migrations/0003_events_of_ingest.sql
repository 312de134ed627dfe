-- A tenant's default endpoint is told of every event; those made before ingest learn of its events too.
update endpoint
   set events = events || array['payment_exhaust.received', 'processor.degraded', 'processor.recovered']
 where is_default and deleted_at is null and not 'payment_exhaust.received' = any (events);
