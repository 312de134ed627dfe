import { dns } from "bun";

/** All addresses of a name, by the system's resolver. Throws when there are none. */
export type ResolveHost = (name: string) => Promise<readonly string[]>;

const keptMs = 5_000;
const maxKept = 2_000;

/**
 * The system's name servers and hosts file, with answers kept for five seconds. What was resolved is also
 * what is connected to, so that a kept answer is as safe as a new one. Asked by c-ares: the system's own
 * resolver holds a thread for each question, and a few names whose servers never answer would stop
 * everybody's.
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
    const addresses = dns
      .lookup(name, { backend: "c-ares" })
      .then((found) => found.map((one) => one.address));
    kept.set(name, { addresses, untilMs: performance.now() + keptMs });
    // A failure is not kept: the next attempt asks again.
    addresses.catch(() => kept.delete(name));
    return addresses;
  };
}
