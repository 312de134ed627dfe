import { type Static, Type } from "@sinclair/typebox";
import { type Mode, ModeSchema } from "./access.ts";
import { Currency, nullable, oneOf, Timestamp } from "./fields.ts";

/** `GET`: whether a tenant has ever made a payment in a mode. */
export const tenantPaymentsPath = (tenantId: string, mode: Mode) =>
  `/internal/v1/tenants/${tenantId}/payments/${mode}`;
export const TenantPaymentsAnswer = Type.Object({ exists: Type.Boolean() });

const Id = Type.String({ minLength: 1, maxLength: 100 });

/** Rows of one page, and ids of one look-up, at most. */
export const maxSettlements = 1_000;

/**
 * What payment itself holds about one capture or refund, for the ledger to compare with its journal.
 * A payment stands here once whatever became of it (`amount` is what was captured, 0 when nothing was);
 * a refund stands here with its own amount, also when it failed.
 */
export const Settlement = Type.Object({
  kind: oneOf(["capture", "refund"]),
  /** The payment's id for a capture, the refund's own for a refund. */
  id: Id,
  payment_id: Id,
  tenant_id: Id,
  mode: ModeSchema,
  currency: Currency,
  amount: Type.Integer({ minimum: 0, description: "Minor units that were captured, or of the refund." }),
  status: oneOf(["processing", "authorized", "flagged", "succeeded", "failed", "voided", "expired"]),
  settled_at: nullable(Timestamp),
});
export type Settlement = Static<typeof Settlement>;

/**
 * `GET /internal/v1/settlements`: every payment and refund that reached its final state in [`from`, `to`), by
 * `settled_at` (the value its event carries) and then `id`, ascending. A payment under review is not final.
 */
export const SettlementsQuery = Type.Object(
  {
    from: Type.Optional(Timestamp),
    to: Type.Optional(Timestamp),
    cursor: Type.Optional(Type.String({ minLength: 1, maxLength: 500 })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: maxSettlements, default: maxSettlements })),
  },
  { additionalProperties: false },
);
export type SettlementsQuery = Static<typeof SettlementsQuery>;

export const SettlementsPage = Type.Object({
  data: Type.Array(Settlement, { maxItems: maxSettlements }),
  next_cursor: nullable(Type.String()),
  has_more: Type.Boolean(),
  /**
   * Everything settled before this has left the outbox: the time of the oldest `payment.settled` or
   * `refund.settled` row that still waits there, the database's present time when none does.
   */
  published_until: Timestamp,
});
export type SettlementsPage = Static<typeof SettlementsPage>;

/**
 * `POST /internal/v1/settlements/lookup`: payments and refunds by id, in whatever state; unknown ids are
 * left out.
 */
export const SettlementsLookup = Type.Object(
  { ids: Type.Array(Id, { minItems: 1, maxItems: maxSettlements }) },
  { additionalProperties: false },
);
export type SettlementsLookup = Static<typeof SettlementsLookup>;

export const SettlementsFound = Type.Object({ data: Type.Array(Settlement, { maxItems: maxSettlements }) });
export type SettlementsFound = Static<typeof SettlementsFound>;
