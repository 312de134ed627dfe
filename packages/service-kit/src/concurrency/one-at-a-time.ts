import { DomainError } from "@payflow/contracts/errors.ts";
import type { StreamsRedis } from "../streams/connect.ts";
import { pause } from "./retry.ts";

/** Longer than any change takes; what a killed process had begun holds up others for so long at most. */
const lastsMs = 15_000;
const waitMs = 5_000;
const lookMs = 20;

/** Keys: change. Arguments: who makes it. Ends the change, unless another has begun. */
const endScript = `
  if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
  return redis.call('DEL', KEYS[1])`;

/**
 * Makes a change while no other process makes one under the same key; others wait their turn for five
 * seconds. `run` is told who makes it, for scripts that refuse what a process sends after its turn. Throws
 * `invalid_state` when the turn does not come.
 */
export async function oneAtATime<T>(
  redis: StreamsRedis,
  key: string,
  run: (holder: string) => Promise<T>,
): Promise<T> {
  const holder = crypto.randomUUID();
  const giveUpAt = performance.now() + waitMs;
  while ((await redis.set(key, holder, "PX", lastsMs, "NX")) === null) {
    if (performance.now() > giveUpAt) throw isUnderWay();
    await pause(lookMs);
  }
  try {
    return await run(holder);
  } finally {
    // Where this fails the turn ends by itself.
    await redis.eval(endScript, 1, key, holder).catch(() => {});
  }
}

/** The refusal of a change that others keep from being made. */
export function isUnderWay(): DomainError {
  return new DomainError("invalid_state", "Another change is under way: send this one again.");
}
