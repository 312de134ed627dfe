/** What a benchmark does and what its figures mean, in words; how much of it is in the way is measured. */
export interface Notes {
  readonly what: string;
  readonly limit: string;
}

export const notes: Readonly<Record<string, Notes>> = {
  payments: {
    what:
      "The whole platform runs, and 10 tenants' payments come over 64 connections as fast as answers do; " +
      "each is scored, charged at the simulated processor, booked, and one tenant's are sent as webhooks. " +
      "Accepted is what was answered and stored, drained what was also booked by then. Beside it, pgbench runs " +
      "a naive gateway's SQL with two commits a payment and no HTTP on the same server. Open loads count " +
      "latency from when a request was due.",
    limit:
      "A payment is one HTTP request, two batched calls to PostgreSQL, a score, a charge, and what ledger, " +
      "fraud, notifier and ingest make of two events. Most of it is PostgreSQL writing rows and their indexes, " +
      "then the payment app's JavaScript.",
  },
  ledger: {
    what:
      "Settled payments of one tenant wait on the bus, and the ledger app books them in batches of 500 in one " +
      "transaction each; all meet at the same two accounts. Beside it, pgbench books with two rows and two " +
      "balances in a commit of its own, where one account is hot.",
    limit:
      "The posting function: inserting a row with its five indexes and unique constraints is most of it. The " +
      "app's part is parsing and checking events.",
  },
  webhooks: {
    what:
      "Settled payments of 10 tenants come from the bus, are queued, signed and sent to a receiver in a process " +
      "of its own, every attempt logged. Beside it, a loop signs in the same way, posts to the same receiver " +
      "and keeps no record.",
    limit:
      "JavaScript first (claims, signing, the HTTP client, which goes to the address that was " +
      "checked), then PostgreSQL: a message, a delivery, its queue row and an attempt for each webhook.",
  },
  fraud: {
    what:
      "Scores under a policy of 20 rules over tenant, customer, card and address, in calls as payment makes " +
      "them: two at a time with as many payments as the counters' bound admits. Beside it, redis-benchmark " +
      "runs the counting script alone with the keys and arguments of such a call.",
    limit:
      "The cache Redis, which runs one script at a time: about four commands of sorted sets for each of a " +
      "payment's series. The fraud app and PostgreSQL have time left.",
  },
  bus: {
    what:
      "Events of 400 bytes are committed to an outbox, 64 in a commit, and go through a relay and the bus to a " +
      "consumer which checks each against its schema and counts it. Committed and handled a second are told " +
      "apart. Beside it, the client alone produces and consumes the same events without an outbox.",
    limit:
      "PostgreSQL and whoever commits: an event is inserted, read and deleted. The relay and the consumer take " +
      "less than half of the processor time.",
  },
  "bus over Kafka": {
    what:
      "The same over Kafka: one broker, which syncs each batch before it is acknowledged. Beside it, the client " +
      "alone produces and consumes the same events without an outbox.",
    limit:
      "The broker, PostgreSQL and the JavaScript of relay, consumer and load share the processors about " +
      "equally; nothing waits for the disk alone.",
  },
  operator: {
    what:
      "1,000 Tenants, 1,000 WebhookEndpoints and 50 FraudPolicies are made by 16 requests at a time, and the " +
      "operator makes keys, endpoints and policies of them in the real apps, with a real API server and etcd " +
      "that waits for the disk. Then five tenants a second, two minutes in which nothing changes, and a restart. " +
      "Beside it, kubectl applies as many Secrets.",
    limit:
      "kube-apiserver. A tenant takes it five writes and an endpoint four or five, and a change of a custom " +
      "object costs it 2 to 6 ms of a processor, with or without our rules: fields are merged and validated, " +
      "stored, and told to every watch. The operator and the apps have time left.",
  },
  ingest: {
    what:
      "Events through the public API into the streams, one a request and a hundred, then a backlog of a million " +
      "exported to files. Beside it, redis-benchmark and a server that does three commands a request.",
    limit: "docs/decisions/0019-ingest-writer.md says what a stored event costs and where.",
  },
};
