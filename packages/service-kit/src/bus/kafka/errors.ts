import { unavailable } from "@payflow/contracts/errors.ts";
import { findErrorBy, GenericError } from "@platformatic/kafka";
import { KafkaSilent } from "./bounded.ts";

/** What Kafka answers of a record that no later try can store. */
const refusals = ["MESSAGE_TOO_LARGE", "RECORD_LIST_TOO_LARGE", "INVALID_RECORD", "CORRUPT_MESSAGE"];

/** Whether Kafka answered this error, by its name in the protocol. */
export function isAnswer(error: unknown, ...names: readonly string[]): boolean {
  return error instanceof Error && names.some((name) => findErrorBy(error, "apiId", name) !== null);
}

/**
 * Whether the brokers are away, are electing, or refuse this client for now: anything but a record of the
 * wrong form.
 */
export function isKafkaOutage(error: unknown): boolean {
  if (error instanceof KafkaSilent) return true;
  if (!(error instanceof Error) || !GenericError.isGenericError(error)) return false;
  return !isAnswer(error, ...refusals);
}

/** Kafka being away is the caller's `unavailable`. */
export async function orUnavailable<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (isKafkaOutage(error)) throw unavailable("The event bus", 1, error);
    throw error;
  }
}
