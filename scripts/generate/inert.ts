/**
 * A stand-in for dependencies that are only passed on: any property is another stand-in, and calling one throws.
 * Servers are built with it to read their routes, without any store.
 */
export function inert<T extends object>(): T {
  const target = () => {};
  const proxy: object = new Proxy(target, {
    get: (_, name) => (typeof name === "symbol" || name === "then" ? undefined : proxy),
    apply: () => {
      throw new Error("the generator builds servers to read their routes; nothing may be called");
    },
  });
  // A proxy has every property that T names, each of them inert.
  return proxy as T;
}

/** A server built from nothing but stand-ins. */
export function buildInert<D extends object, S>(create: (deps: D) => S): S {
  return create(inert<D>());
}
