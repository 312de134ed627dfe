import { unavailable } from "@payflow/contracts/errors.ts";
import { pause } from "@payflow/service-kit/concurrency/retry.ts";
import { type Rounds, startRounds } from "@payflow/service-kit/concurrency/rounds.ts";
import { ConfigError } from "@payflow/service-kit/process/config.ts";
import { isRedisOutage } from "@payflow/service-kit/store/redis.ts";
import type { StreamsRedis } from "@payflow/service-kit/streams/connect.ts";
import type { StreamKeys } from "@payflow/service-kit/streams/keys.ts";
import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import { Cluster, type Redis } from "ioredis";
import { assertFit, type Fitness } from "./fitness.ts";
import { agreeOnPlan, newFingerprintKey } from "./plan.store.ts";

export interface LinkOptions {
  readonly redis: StreamsRedis;
  readonly keys: StreamKeys;
  readonly partitions: number;
  readonly fitness: Fitness;
  /** The scripts that are sent by their digests. */
  readonly scripts: readonly string[];
  readonly logger: Logger;
}

/** From one check to the next: settings may be changed on a running server too. */
const everyMs = 30_000;
const againMs = 500;
/** However often something points to a change. */
const gapMs = 100;
/** A server of a cluster that has not answered by then is looked at again later. */
const silentMs = 2_000;

/**
 * The way to the streams' servers. Nothing goes to a server before its settings were found fit, and after
 * each loss of its connection they are looked at anew: the server may be another one, set up differently.
 *
 * Commands go to the server of a partition itself. Through ioredis's Cluster a command that was redirected
 * would be sent a second time and could arrive after a later one; here it fails instead, and the next look
 * finds the partition's new place.
 */
export class StreamsLink {
  readonly isCluster: boolean;
  readonly #options: LinkOptions;
  readonly #rounds: Rounds;
  readonly #checked = new Set<Redis>();
  readonly #losses = new WeakMap<Redis, number>();
  #nodes: readonly (Redis | null)[] = [];
  #fingerprintKey = newFingerprintKey();
  #isPlanned = false;
  #unfit: ConfigError | null = null;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.isCluster = options.redis instanceof Cluster;
    this.#rounds = startRounds({
      logger: options.logger,
      failure: "the streams' Redis could not be looked at",
      everyMs,
      againMs,
      gapMs,
      round: () => this.#look(),
    });
    options.redis.on(this.isCluster ? "+node" : "ready", this.#wake);
  }

  /** Makes fingerprints of ids; the same in every process. */
  get fingerprintKey(): string {
    return this.#fingerprintKey;
  }

  /** The server that holds a partition; null while it is away or not found fit. */
  nodeOf(partition: number): Redis | null {
    const node = this.#nodes[partition];
    return node != null && this.#checked.has(node) && node.status === "ready" ? node : null;
  }

  /** Looks at the servers soon: something pointed to a change. */
  recheck(): void {
    this.#rounds.wake();
  }

  /**
   * Waits until the servers were found fit, for at most `waitMs`. Throws `ConfigError` when they are not; a
   * Redis that is away is no error.
   */
  async settle(waitMs: number): Promise<void> {
    for (const end = performance.now() + waitMs; performance.now() < end && !this.#isWhole; ) {
      if (this.#unfit !== null) throw this.#unfit;
      await pause(10);
    }
  }

  /** Throws `unavailable` unless every partition can be appended to now. */
  async assertReady(): Promise<void> {
    if (!this.#isWhole) throw this.unavailable();
    await Promise.all([...new Set(this.#nodes)].map((node) => node?.ping()));
  }

  /** The refusal while the streams' server is away or unfit. */
  unavailable(cause?: unknown): Error {
    return unavailable("The event store", this.#unfit === null ? 1 : 5, this.#unfit ?? cause);
  }

  async close(): Promise<void> {
    this.#options.redis.off(this.isCluster ? "+node" : "ready", this.#wake);
    await this.#rounds.stop();
  }

  readonly #wake = () => this.#rounds.wake();

  get #isWhole(): boolean {
    const { partitions } = this.#options;
    for (let partition = 0; partition < partitions; partition += 1) {
      if (this.nodeOf(partition) === null) return false;
    }
    return this.#isPlanned;
  }

  async #look(): Promise<number | undefined> {
    try {
      const found = await Promise.all((await this.#masters()).map((node) => this.#check(node)));
      const fit = found.filter((one) => one !== null);
      await this.#agree();
      const nodes = await this.#route(fit.map(({ node }) => node));
      // A connection that was lost meanwhile may lead to another server by now.
      const kept = fit.filter(({ node, losses }) => this.#lossesOf(node) === losses);
      for (const { node } of kept) this.#checked.add(node);
      this.#nodes = nodes;
      this.#isPlanned = true;
      if (this.#unfit !== null) this.#options.logger.info("the streams' Redis is fit now");
      this.#unfit = null;
      return nodes.includes(null) || kept.length < found.length ? againMs : undefined;
    } catch (error) {
      if (error instanceof ConfigError) return this.#refuse(error);
      if (!isRedisOutage(error)) throw error;
      return againMs;
    }
  }

  #refuse(error: ConfigError): number {
    if (this.#unfit?.message !== error.message) {
      this.#options.logger.error({ err: error }, "the streams' Redis is not fit, and nothing is appended");
    }
    this.#unfit = error;
    this.#checked.clear();
    return 2 * againMs;
  }

  async #masters(): Promise<Redis[]> {
    const { redis } = this.#options;
    if (!(redis instanceof Cluster)) return [redis];
    await new Promise<void>((resolve, reject) => {
      redis.refreshSlotsCache((error) => (error ? reject(error) : resolve()));
    });
    return redis.nodes("master");
  }

  /** A server that is fit, and how often its connection was lost before; null for one that is away. */
  async #check(node: Redis): Promise<{ readonly node: Redis; readonly losses: number } | null> {
    if (!this.#losses.has(node)) {
      this.#losses.set(node, 0);
      node.on("close", () => {
        this.#losses.set(node, this.#lossesOf(node) + 1);
        this.#checked.delete(node);
        this.#rounds.wake();
      });
    }
    const losses = this.#lossesOf(node);
    const isFit = await this.#orAway(async () => {
      await assertFit(node, this.#options.fitness);
      for (const script of this.#options.scripts) await node.script("LOAD", script);
      return true;
    });
    return isFit ? { node, losses } : null;
  }

  /** An answer; null from a server that is away, or one of a cluster that is silent: the others go on. */
  async #orAway<T>(ask: () => Promise<T>): Promise<T | null> {
    const answered = new AbortController();
    const late = this.isCluster ? [pause(silentMs, answered.signal).then(() => null)] : [];
    try {
      return await Promise.race([ask(), ...late]);
    } catch (error) {
      if (isRedisOutage(error)) return null;
      throw error;
    } finally {
      answered.abort();
    }
  }

  #lossesOf(node: Redis): number {
    return this.#losses.get(node) ?? 0;
  }

  async #agree(): Promise<void> {
    const { redis, keys, partitions } = this.#options;
    const wanted = { partitions, fingerprintKey: this.#fingerprintKey };
    if (!this.isCluster || !this.#isPlanned) {
      this.#fingerprintKey = (await agreeOnPlan(redis, keys, wanted)).fingerprintKey;
      return;
    }
    // A cluster's plan is on one of its servers: while that is away, what was agreed on holds.
    const plan = await this.#orAway(() => agreeOnPlan(redis, keys, wanted));
    if (plan !== null) this.#fingerprintKey = plan.fingerprintKey;
  }

  /** For each partition the server that answers for it, whatever names the cluster's members have. */
  async #route(masters: readonly Redis[]): Promise<(Redis | null)[]> {
    const { keys, partitions } = this.#options;
    const nodes: (Redis | null)[] = new Array(partitions).fill(this.isCluster ? null : (masters[0] ?? null));
    if (!this.isCluster) return nodes;
    for (const node of masters) {
      const pipeline = node.pipeline();
      for (let partition = 0; partition < partitions; partition += 1) pipeline.exists(keys.events(partition));
      for (const [partition, [error]] of ((await pipeline.exec()) ?? []).entries()) {
        if (error === null) nodes[partition] = node;
      }
    }
    return nodes;
  }
}
