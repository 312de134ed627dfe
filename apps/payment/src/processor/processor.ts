/** Why the processor refused; `code` is shown to the tenant. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
}

/** What the processor did about a payment. Amounts in minor units. */
export type ChargeOutcome =
  | { readonly kind: "captured"; readonly amount: number }
  | { readonly kind: "authorized"; readonly amount: number }
  | { readonly kind: "failed"; readonly error: Refusal };

/** What the processor did about a capture, void or refund. */
export type FollowUpOutcome =
  | { readonly kind: "done"; readonly amount: number }
  | { readonly kind: "failed"; readonly error: Refusal };

/** What became of a call, asked by its key. */
export type Inquiry =
  | { readonly kind: "captured" | "authorized" | "done"; readonly amount: number }
  | { readonly kind: "failed"; readonly error: Refusal }
  | { readonly kind: "not_found" };

/** What every call that moves money carries. */
export interface Call {
  /** Repeating a key repeats the first effect's answer and does nothing else. */
  readonly key: string;
  /**
   * On this process's monotonic clock (`performance.now()`): a call that was not sent by then never is, since
   * its caller has given it up and others may decide otherwise.
   */
  readonly notAfter: number;
}

/** Its key is the payment's id. */
export interface AuthorizeCall extends Call {
  readonly amount: number;
  readonly currency: string;
  readonly paymentMethod: string;
  /** Whether to take the money at once. */
  readonly capture: boolean;
}

/** Its key is the operation's or refund's own id. */
export interface FollowUpCall extends Call {
  /** The payment's id: the key it was authorized with. */
  readonly paymentId: string;
}

export interface AmountCall extends FollowUpCall {
  readonly amount: number;
}

/**
 * The processor's answer was lost or is late, or the call was never sent: nobody knows yet what became of it.
 * Never a failed payment; an inquiry by the call's key tells the truth later.
 */
export class OutcomeUnknown extends Error {
  override readonly name = "OutcomeUnknown";
}

/**
 * The one seam to whoever moves the money. Each call has a key of its own and is idempotent by it. Each
 * throws `OutcomeUnknown` when no answer came within the deadline; so does `inquire` when the processor is
 * away.
 */
export interface Processor {
  /** How long what was sent in time may still take to have its effect, in milliseconds. */
  readonly lingerMs: number;
  /** Whether a payment may name this payment method. */
  accepts(paymentMethod: string): boolean;
  authorize(call: AuthorizeCall): Promise<ChargeOutcome>;
  /** Takes part or all of what was authorized, and releases the rest. */
  capture(call: AmountCall): Promise<FollowUpOutcome>;
  /** Releases what was authorized. */
  void(call: FollowUpCall): Promise<FollowUpOutcome>;
  /** Gives back part or all of what was captured. */
  refund(call: AmountCall): Promise<FollowUpOutcome>;
  /**
   * What the call with that key did: of `authorize` captured, authorized or failed; of the others done or
   * failed. `not_found` is final for every call whose `notAfter` passed more than `lingerMs` ago: none of
   * them will have an effect any more.
   */
  inquire(key: string): Promise<Inquiry>;
}
