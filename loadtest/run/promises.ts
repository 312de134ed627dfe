/** What each scenario shows; its name is that of its file. */
export const promises = {
  payments: "Payments that arrive at a constant rate are each charged and booked once.",
  "idempotency-storm": "However often and closely together one request is sent, it makes one payment.",
  "refund-race": "However many refunds are asked for at once, no more is given back than was captured.",
  "ingest-single": "Events that are sent one by one are each stored once, in their merchants' order.",
  "ingest-batch": "Of events that are sent a hundred at once each is stored once, whatever is beside it.",
  "webhook-fan-out": "Every event reaches each endpoint that asked for it, while another never answers.",
  "lag-recovery": "While the ledger is away payments go on; once it is back all are booked, each once.",
  "tenant-fairness": "A tenant that sends ten times its limit gets its limit, and costs another nothing.",
  soak: "For a long time payments, refunds, repetitions, reads and events keep their promises together.",
} as const;

export type ScenarioName = keyof typeof promises;
