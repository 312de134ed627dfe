import { lookup } from "node:dns/promises";

/** All addresses of a name, by the system's resolver. Throws when there are none. */
export type ResolveHost = (name: string) => Promise<readonly string[]>;

const keptMs = 5_000;
const maxKept = 2_000;

/**
 * The system's resolver with answers kept for five seconds. What was resolved is also what is connected to,
 * so that a kept answer is as safe as a new one.
 */
export function createResolver(): ResolveHost {
  const kept = new Map<
    string,
    { readonly addresses: Promise<readonly string[]>; readonly untilMs: number }
  >();
  return (name) => {
    const known = kept.get(name);
    if (known !== undefined && performance.now() < known.untilMs) return known.addresses;
    if (kept.size >= maxKept) kept.clear();
    const addresses = lookup(name, { all: true }).then((found) => found.map((one) => one.address));
    kept.set(name, { addresses, untilMs: performance.now() + keptMs });
    // A failure is not kept: the next attempt asks again.
    addresses.catch(() => kept.delete(name));
    return addresses;
  };
}
