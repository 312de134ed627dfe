interface Numbered {
  readonly key: string;
  readonly sequence: number | null;
}

/**
 * The places where an event arrived before one that precedes it in its key: none, where order was kept. An
 * event may arrive again, and those after it too.
 */
export function skippedEvents(arrivals: readonly Numbered[]): string[] {
  const latest = new Map<string, number>();
  const skipped: string[] = [];
  for (const { key, sequence } of arrivals) {
    const last = latest.get(key) ?? 0;
    const number = sequence ?? 0;
    if (number > last + 1) skipped.push(`${key}: ${number} arrived after ${last}`);
    latest.set(key, Math.max(last, number));
  }
  return skipped;
}

/**
 * The same events in an order that the bus may choose: order is kept within a topic and key, and everything
 * else is mixed. Handlers must come to the same end with every order; `random` is a generator with a seed the
 * test prints.
 */
export function shuffleAcrossTopics<T extends { readonly type: string; readonly key: string }>(
  events: readonly T[],
  random: () => number,
): T[] {
  const queues = new Map<string, T[]>();
  for (const event of events) {
    const name = `${event.type} ${event.key}`;
    queues.set(name, [...(queues.get(name) ?? []), event]);
  }
  const shuffled: T[] = [];
  const open = [...queues.values()];
  while (open.length > 0) {
    const index = Math.floor(random() * open.length);
    const queue = open[index];
    const next = queue?.shift();
    if (next !== undefined) shuffled.push(next);
    if (queue === undefined || queue.length === 0) open.splice(index, 1);
  }
  return shuffled;
}
