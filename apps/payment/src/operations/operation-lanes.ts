import { type Hold, holdFrom } from "../recovery/hold.ts";
import { type InquirySchedule, nextInquiryMs } from "../recovery/inquiry-schedule.ts";
import type { Lane } from "../recovery/lanes.ts";
import type { OperationRow } from "../schema.ts";
import { type DriveOperation, driveOperation } from "./drive-operation.ts";
import { findPayment, openExpiries, postponeOperation, takeOperations } from "./operations.store.ts";

export interface OperationLanes extends DriveOperation {
  readonly schedule: InquirySchedule;
  /** Operations under way at once in this process. */
  readonly capacity: number;
}

interface HeldOperation {
  readonly operation: OperationRow;
  readonly hold: Hold;
}

/** Operations that somebody left open: a killed replica, or a processor whose answer was lost. */
export function operationLane(deps: OperationLanes): Lane<HeldOperation> {
  return {
    name: "operations",
    capacity: deps.capacity,
    take: (limit) => held(deps, (leaseMs) => takeOperations(deps.sql, limit, leaseMs)),
    handle: (item) => work(deps, item, true),
  };
}

/**
 * Authorizations whose time is over: their expiry is an operation like any other, so that a capture may win.
 */
export function expiryLane(deps: OperationLanes): Lane<HeldOperation> {
  return {
    name: "expiries",
    capacity: deps.capacity,
    take: (limit) => held(deps, (leaseMs) => openExpiries(deps.sql, limit, leaseMs)),
    handle: (item) => work(deps, item, false),
  };
}

async function held(
  deps: OperationLanes,
  take: (leaseMs: number) => Promise<OperationRow[]>,
): Promise<HeldOperation[]> {
  const { recoveryLeaseMs } = deps.schedule;
  const askedAt = performance.now();
  const operations = await take(recoveryLeaseMs);
  return operations.map((operation) => ({
    operation,
    hold: holdFrom(askedAt, operation.fence, recoveryLeaseMs),
  }));
}

async function work(
  deps: OperationLanes,
  { operation, hold }: HeldOperation,
  isTakenUp: boolean,
): Promise<void> {
  const payment = await findPayment(deps.sql, operation.paymentId);
  const driven = await driveOperation(deps, operation, payment, hold, isTakenUp);
  if (driven.kind !== "unknown") return;
  const inquiries = operation.inquiries + 1;
  const waitMs = nextInquiryMs(deps.schedule, inquiries);
  await postponeOperation(deps.sql, operation.id, hold.fence, { waitMs, inquiries });
}
