import { pause } from "@payflow/service-kit/concurrency/retry.ts";
import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import type { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import { hasStatus, isConflict } from "../client/api-error.ts";
import type { KubernetesClient } from "../client/client.ts";
import type { ObjectName } from "../objects/object.ts";
import {
  fencingTokenOf,
  freeAt,
  isFree,
  type Lease,
  leases,
  released,
  renewed,
  type Sighting,
  sight,
  takenOver,
} from "./lease-record.ts";
import { Term } from "./term.ts";

export interface ElectionOptions {
  readonly client: KubernetesClient;
  readonly lease: Required<ObjectName>;
  /** Unlike any other candidate's, new at each start. */
  readonly identity: string;
  /** Leads; has to end with `term.signal`. The next candidacy waits for it. */
  readonly lead: (term: Term) => Promise<void>;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly timing?: ElectionTiming;
  /** Milliseconds of a clock that is never set back and goes on while the process is paused. */
  readonly now?: () => number;
}

/** How long others wait; how long a leader goes on without a renewal; between two tries. In milliseconds. */
export interface ElectionTiming {
  readonly leaseMs: number;
  readonly renewMs: number;
  readonly everyMs: number;
}

export interface Election {
  isLeading(): boolean;
  /** Ends the term, gives the lease up and resolves when `lead` has ended. */
  stop(): Promise<void>;
}

/** client-go's, but for asking each 2.5 s: three replicas make 1.2 requests a second. */
const usualTiming: ElectionTiming = { leaseMs: 15_000, renewMs: 10_000, everyMs: 2_500 };

/**
 * Stands for election by a Lease until stopped. A leader's time is counted on its own clock from before it
 * sent the renewal, others' from when they saw it; so a leader that cannot renew stops `leaseMs - renewMs`
 * before anybody may follow.
 */
export function startElection(options: ElectionOptions): Election {
  const stopping = new AbortController();
  const candidate = new Candidate(options, stopping.signal);
  const running = candidate.run();
  return {
    isLeading: () => candidate.isLeading(),
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

class Candidate {
  readonly #options: ElectionOptions;
  readonly #timing: ElectionTiming;
  readonly #now: () => number;
  readonly #stopped: AbortSignal;
  readonly #setLeading: (isLeading: boolean) => void;
  #seen: Sighting | undefined;
  #freeAt = 0;
  #term: Term | undefined;

  constructor(options: ElectionOptions, stopped: AbortSignal) {
    this.#options = options;
    this.#timing = options.timing ?? usualTiming;
    this.#now = options.now ?? (() => performance.now());
    this.#stopped = stopped;
    const gauge = options.metrics.gauge("leader_election_master_status", "1 while this process leads.", [
      "name",
    ]);
    this.#setLeading = (isLeading) => gauge.set({ name: options.lease.name }, isLeading ? 1 : 0);
    this.#setLeading(false);
  }

  isLeading(): boolean {
    return this.#term?.isHeld() ?? false;
  }

  async run(): Promise<void> {
    const { logger, identity } = this.#options;
    while (!this.#stopped.aborted) {
      try {
        const sentAt = this.#now();
        const lease = await this.#tryToTake();
        if (lease !== undefined) {
          logger.info({ identity, fence: fencingTokenOf(lease) }, "leading");
          await this.#serve(lease, sentAt);
          logger.info({ identity }, "leading no longer");
        }
      } catch (error) {
        if (!isConflict(error)) logger.warn({ err: error, identity }, "the lease could not be asked for");
      }
      await pause(this.#waitMs(), this.#stopped);
    }
  }

  /** Until the next try: the usual while, or less where the lease may be free before. */
  #waitMs(): number {
    const usualMs = this.#timing.everyMs * (1 + 0.1 * Math.random());
    const untilFreeMs = this.#freeAt - this.#now();
    return untilFreeMs > 0 ? Math.min(usualMs, untilFreeMs) : usualMs;
  }

  async #tryToTake(): Promise<Lease | undefined> {
    const { lease: name, identity } = this.#options;
    const client = this.#within(this.#stopped);
    const lease = await client.get<Lease>(leases, name);
    if (lease === undefined) {
      const made: Lease = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: name };
      try {
        return await client.create(leases, takenOver(made, identity, this.#timing.leaseMs, new Date()));
      } catch (error) {
        // Another candidate was faster.
        if (hasStatus(error, 409)) return undefined;
        throw error;
      }
    }
    const now = this.#now();
    this.#seen = sight(lease, this.#seen, now);
    this.#freeAt = freeAt(lease, this.#seen);
    // Where the lease is still ours, our own term in it is over, and nobody else has to be waited for.
    const isOurs = lease.spec?.holderIdentity === identity;
    if (!isOurs && !isFree(lease, this.#seen, now)) return undefined;
    return client.replace(leases, takenOver(lease, identity, this.#timing.leaseMs, new Date()));
  }

  async #serve(taken: Lease, sentAt: number): Promise<void> {
    const term = new Term(fencingTokenOf(taken), sentAt + this.#timing.renewMs, this.#now);
    this.#term = term;
    const stop = () => term.end("stopping");
    this.#stopped.addEventListener("abort", stop, { once: true });
    if (this.#stopped.aborted) stop();
    this.#setLeading(term.isHeld());
    const leading = this.#lead(term);
    const last = await this.#keep(term, taken);
    this.#setLeading(false);
    await leading;
    this.#stopped.removeEventListener("abort", stop);
    await this.#giveUp(last);
  }

  async #lead(term: Term): Promise<void> {
    try {
      await this.#options.lead(term);
    } catch (error) {
      if (term.isHeld()) this.#options.logger.error({ err: error }, "leading failed");
    } finally {
      term.end("the work of leading has ended");
    }
  }

  /** Renews until the term is over; the lease as it was last seen in our hands. */
  async #keep(term: Term, taken: Lease): Promise<Lease> {
    let lease = taken;
    for (;;) {
      await pause(this.#timing.everyMs, term.signal);
      if (term.signal.aborted) return lease;
      try {
        const sentAt = this.#now();
        lease = await this.#within(term.signal).replace(leases, renewed(lease, new Date()));
        term.extend(sentAt + this.#timing.renewMs);
      } catch (error) {
        if (term.signal.aborted) return lease;
        this.#options.logger.warn({ err: error }, "the lease was not renewed");
        lease = (await this.#ours(term, lease).catch(() => undefined)) ?? lease;
      }
    }
  }

  /** After a refusal or a lost answer: the lease as it is, while it is ours still; ends the term if not. */
  async #ours(term: Term, lease: Lease): Promise<Lease | undefined> {
    const found = await this.#within(term.signal).get<Lease>(leases, this.#options.lease);
    const isOurs =
      found?.metadata.uid === lease.metadata.uid &&
      found?.spec?.holderIdentity === this.#options.identity &&
      found.spec.leaseTransitions === lease.spec?.leaseTransitions;
    if (!isOurs) term.end("another process holds the lease");
    return isOurs ? found : undefined;
  }

  /** Only after all of our work has ended. What another holds by now has another version and is refused. */
  async #giveUp(lease: Lease): Promise<void> {
    const signal = AbortSignal.timeout(2_000);
    await this.#within(signal)
      .replace(leases, released(lease, new Date()))
      .catch((error: unknown) => this.#options.logger.debug({ err: error }, "the lease was not given up"));
  }

  /** No request may wait so long that there is no time for another. */
  #within(signal: AbortSignal): KubernetesClient {
    const timeout = AbortSignal.timeout(this.#timing.renewMs / 2);
    return this.#options.client.within({ signal: AbortSignal.any([signal, timeout]) });
  }
}
