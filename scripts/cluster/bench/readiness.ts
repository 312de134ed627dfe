import { ObjectCache } from "../../../operator/src/kubernetes/cache/object-cache.ts";
import { type Reflector, startReflector } from "../../../operator/src/kubernetes/cache/reflector.ts";
import type { KubernetesClient } from "../../../operator/src/kubernetes/client/client.ts";
import type { Condition } from "../../../operator/src/kubernetes/objects/conditions.ts";
import type { KubernetesObject } from "../../../operator/src/kubernetes/objects/object.ts";
import { kinds } from "./objects.ts";
import { logger } from "./workplace.ts";

interface Observed extends KubernetesObject {
  readonly status?: { readonly conditions?: readonly Condition[] };
}

/** Watches all resources, as `kubectl wait` would. */
export class Readiness {
  readonly #readyAt = new Map<string, number>();
  readonly #reflectors: readonly Reflector[];

  constructor(client: KubernetesClient) {
    this.#reflectors = kinds.map((kind) =>
      startReflector<Observed>({
        client,
        kind,
        cache: new ObjectCache(),
        logger,
        onChange: (change) => {
          const key = `${kind.kind}/${change.key}`;
          if (change.type === "deleted" || !isReady(change.object)) this.#readyAt.delete(key);
          else if (!this.#readyAt.has(key)) this.#readyAt.set(key, performance.now());
        },
      }),
    );
  }

  synced(): Promise<unknown> {
    return Promise.all(this.#reflectors.map((one) => one.synced));
  }

  /** How many objects are ready now. */
  get count(): number {
    return this.#readyAt.size;
  }

  /** When an object became ready, by `performance.now()`; undefined where it is not. */
  readyAt(kind: string, namespace: string, name: string): number | undefined {
    return this.#readyAt.get(`${kind}/${namespace}/${name}`);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#reflectors.map((one) => one.stop()));
  }
}

function isReady({ metadata, status }: Observed): boolean {
  const ready = status?.conditions?.find(({ type }) => type === "Ready");
  return ready?.status === "True" && ready.observedGeneration === metadata.generation;
}
