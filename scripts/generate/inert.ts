import { createLogger } from "@payflow/service-kit/telemetry/logging.ts";
import { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";

/**
 * A stand-in for dependencies that are only passed on: any property is another stand-in, and calling one
 * throws. Servers are built with it to read their routes, without any store.
 */
function inert(own: object): object {
  const target = Object.assign(() => {}, own);
  return new Proxy(target, {
    get: (_, name) => {
      if (name in own) return Reflect.get(own, name);
      return typeof name === "symbol" || name === "then" ? undefined : inert({});
    },
    apply: () => {
      throw new Error("the generator builds servers to read their routes; nothing may be called");
    },
  });
}

/** A server built from stand-ins; logs and metrics, which every server registers with, are real. */
export function buildInert<D extends object, S>(create: (deps: D) => S): S {
  // A stand-in has every property that D names, each of them inert.
  return create(inert({ logger: createLogger("generate", "silent"), metrics: new Metrics("generate") }) as D);
}
