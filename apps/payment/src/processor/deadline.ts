import { OutcomeUnknown, type Processor } from "./processor.ts";

/** The same processor, whose answer counts as unknown once it is later than `timeoutMs`. */
export function withDeadline(processor: Processor, timeoutMs: number): Processor {
  return {
    accepts: (paymentMethod) => processor.accepts(paymentMethod),
    authorize: (call) => within(timeoutMs, processor.authorize(call)),
    capture: (call) => within(timeoutMs, processor.capture(call)),
    void: (call) => within(timeoutMs, processor.void(call)),
    refund: (call) => within(timeoutMs, processor.refund(call)),
    inquire: (key) => within(timeoutMs, processor.inquire(key)),
  };
}

function within<T>(timeoutMs: number, answer: Promise<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new OutcomeUnknown(`the processor did not answer within ${timeoutMs} ms`));
    }, timeoutMs);
    answer.then(
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
