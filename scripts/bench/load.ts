/** One answered request of a load: when it was answered (Unix ms) and how long it took. */
export interface Answered {
  readonly id: string;
  readonly status: number;
  readonly answeredAt: number;
  readonly tookMs: number;
}

export interface Load {
  readonly answered: readonly Answered[];
  readonly seconds: number;
}

export type Send = () => Promise<{ readonly id: string; readonly status: number }>;

/** A closed loop: each of `connections` callers sends its next request when the last one was answered. */
export async function closedLoop(send: Send, connections: number, seconds: number): Promise<Load> {
  const answered: Answered[] = [];
  const startedAt = performance.now();
  const end = startedAt + seconds * 1_000;
  const caller = async () => {
    while (performance.now() < end) answered.push(await timed(send, performance.now()));
  };
  await Promise.all(Array.from({ length: connections }, caller));
  return { answered, seconds: (performance.now() - startedAt) / 1_000 };
}

/**
 * An open loop: requests start at a constant rate whatever the answers do, and latency counts from when a
 * request was due, so that a stall is charged to every request it delays.
 */
export async function openLoop(send: Send, perSecond: number, seconds: number): Promise<Load> {
  const answered: Answered[] = [];
  const open = new Set<Promise<void>>();
  const startedAt = performance.now();
  const total = Math.floor(perSecond * seconds);
  for (let sent = 0; sent < total; ) {
    const due = Math.min(total, Math.floor(((performance.now() - startedAt) / 1_000) * perSecond));
    for (; sent < due; sent += 1) {
      const dueAt = startedAt + (sent / perSecond) * 1_000;
      const request = timed(send, dueAt).then((one) => {
        answered.push(one);
      });
      open.add(request);
      void request.finally(() => open.delete(request));
    }
    await Bun.sleep(1);
  }
  await Promise.all(open);
  return { answered, seconds: (performance.now() - startedAt) / 1_000 };
}

async function timed(send: Send, since: number): Promise<Answered> {
  const { id, status } = await send();
  return { id, status, answeredAt: Date.now(), tookMs: performance.now() - since };
}
