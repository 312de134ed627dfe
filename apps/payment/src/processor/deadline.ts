import { OutcomeUnknown, type Processor } from "./processor.ts";

/**
 * The same processor, whose answer counts as unknown once the call's `notAfter` has passed, and an inquiry's
 * once it is later than `timeoutMs`.
 */
export function withDeadline(processor: Processor, timeoutMs: number): Processor {
  return {
    lingerMs: processor.lingerMs,
    accepts: (paymentMethod) => processor.accepts(paymentMethod),
    authorize: (call) => by(call.notAfter, () => processor.authorize(call)),
    capture: (call) => by(call.notAfter, () => processor.capture(call)),
    void: (call) => by(call.notAfter, () => processor.void(call)),
    refund: (call) => by(call.notAfter, () => processor.refund(call)),
    inquire: (key) => by(performance.now() + timeoutMs, () => processor.inquire(key)),
  };
}

function by<T>(deadline: number, ask: () => Promise<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const leftMs = deadline - performance.now();
    if (leftMs <= 0) return reject(new OutcomeUnknown("the time for this call to the processor is over"));
    // A timer may come a millisecond early, and who is told that the time is over must be able to rely on it.
    const timer = setTimeout(() => {
      reject(new OutcomeUnknown(`the processor did not answer within ${Math.round(leftMs)} ms`));
    }, Math.ceil(leftMs) + 1);
    ask().then(
      (outcome) => {
        clearTimeout(timer);
        resolve(outcome);
      },
      (cause: unknown) => {
        clearTimeout(timer);
        // Whatever went wrong on the way, the processor may have acted.
        reject(
          cause instanceof OutcomeUnknown
            ? cause
            : new OutcomeUnknown("the call to the processor failed", { cause }),
        );
      },
    );
  });
}
