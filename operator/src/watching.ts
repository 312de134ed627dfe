import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import { type FraudPolicy, fraudPolicyKind } from "./fraud-policy/fraud-policy.resource.ts";
import { fieldManager } from "./governing/leading.ts";
import type { WatchedResources } from "./governing/reconciling.ts";
import { managedBy, type Secret, secretKind, withOwnEntries } from "./keys/secret.ts";
import { type Change, ObjectCache } from "./kubernetes/cache/object-cache.ts";
import { type Reflector, startReflector } from "./kubernetes/cache/reflector.ts";
import { Watched } from "./kubernetes/cache/watched.ts";
import type { KubernetesClient } from "./kubernetes/client/client.ts";
import { type KubernetesObject, keyOf, type ResourceKind } from "./kubernetes/objects/object.ts";
import { keepManager } from "./kubernetes/objects/server-side-apply.ts";
import { type Tenant, tenantKind, tenantSecretName } from "./tenant/tenant.resource.ts";
import {
  signingSecretName,
  type WebhookEndpoint,
  webhookEndpointKind,
} from "./webhook-endpoint/webhook-endpoint.resource.ts";

/** What has to be looked at again, by the keys of each kind. */
export interface Enqueue {
  tenants(key: string): void;
  endpoints(key: string): void;
  policies(key: string): void;
}

export interface Watching {
  readonly watched: WatchedResources;
  readonly isSynced: () => boolean;
  /** Resolves when everything has been listed once. */
  readonly synced: Promise<unknown>;
  stop(): Promise<void>;
}

interface WatchingOptions {
  readonly client: KubernetesClient;
  /** All of them when empty. */
  readonly namespaces: readonly string[];
  readonly logger: Logger;
  readonly enqueue: Enqueue;
}

/** However long the API server was away, its return is noticed soon. */
const backoff = { firstMs: 500, maxMs: 10_000 };

/** Watches all kinds in all namespaces asked for, from now on until stopped. */
export function startWatching(options: WatchingOptions): Watching {
  const reflectors: Reflector[] = [];

  function watch<T extends KubernetesObject>(
    kind: ResourceKind,
    onNews: (change: Change<T>) => void,
    onChange: (change: Change<T>) => void = () => {},
    how: {
      readonly labelSelector?: string;
      readonly indexes?: Record<string, (object: T) => string[]>;
      readonly trim?: (object: T) => T;
      readonly pageSize?: number;
    } = {},
  ): Watched<T> {
    const places = options.namespaces.length === 0 ? [undefined] : options.namespaces;
    const { trim = (object) => object, indexes = {} } = how;
    const caches = places.map(() => new ObjectCache<T>({ trim: (object) => trimmed(trim(object)), indexes }));
    const watched = new Watched(caches, onNews);
    for (const [index, namespace] of places.entries()) {
      const { client, logger } = options;
      const selected = how.labelSelector === undefined ? {} : { labelSelector: how.labelSelector };
      reflectors.push(
        startReflector<T>({
          ...{ client, kind, logger, ...selected, ...(namespace === undefined ? {} : { namespace }) },
          ...(how.pageSize === undefined ? {} : { pageSize: how.pageSize }),
          // One cache was made for each place.
          cache: caches[index] as ObjectCache<T>,
          backoff,
          onChange(change) {
            watched.noteChange(change);
            onChange(change);
          },
        }),
      );
    }
    return watched;
  }

  const { enqueue } = options;
  const onChange = createRelations(enqueue, () => watched);
  const watched: WatchedResources = {
    tenants: watch<Tenant>(tenantKind, ({ key }) => enqueue.tenants(key), onChange.tenant, {
      indexes: { policy: policyKeysOf, secret: (tenant) => [siblingKey(tenant, tenantSecretName(tenant))] },
    }),
    endpoints: watch<WebhookEndpoint>(webhookEndpointKind, ({ key }) => enqueue.endpoints(key), undefined, {
      indexes: {
        tenant: (endpoint) => [tenantKeyOf(endpoint)],
        secret: (endpoint) => [siblingKey(endpoint, signingSecretName(endpoint))],
      },
    }),
    policies: watch<FraudPolicy>(fraudPolicyKind, ({ key }) => enqueue.policies(key), onChange.policy),
    secrets: watch<Secret>(secretKind, onChange.secret, undefined, {
      labelSelector: managedBy,
      trim: withOwnEntries,
      // Anybody's may have a megabyte.
      pageSize: 50,
    }),
  };
  let isSynced = false;
  const synced = Promise.all(reflectors.map((one) => one.synced)).then(() => {
    isSynced = true;
  });
  return {
    watched,
    synced,
    isSynced: () => isSynced,
    async stop() {
      await Promise.all(reflectors.map((one) => one.stop()));
    },
  };
}

/** Whose passes depend on what has changed of another kind, whoever has changed it. */
function createRelations(enqueue: Enqueue, watched: () => WatchedResources) {
  return {
    tenant(change: Change<Tenant>) {
      const before = change.previous;
      const now = change.type === "set" ? change.object : undefined;
      if (!concernsOthers(before, now)) return;
      for (const one of watched().endpoints.find("tenant", change.key)) {
        enqueue.endpoints(keyOf(one.metadata));
      }
      const policies = [before, now].flatMap((tenant) => (tenant === undefined ? [] : policyKeysOf(tenant)));
      for (const key of new Set(policies)) enqueue.policies(key);
    },
    policy(change: Change<FraudPolicy>) {
      const isThere = change.type === "set";
      if (isThere && change.previous !== undefined) return;
      for (const one of watched().tenants.find("policy", change.key)) enqueue.tenants(keyOf(one.metadata));
    },
    /** Whoever wants a Secret of that name: its owner, and those in whose way it is. */
    secret({ key }: Change<Secret>) {
      for (const one of watched().tenants.find("secret", key)) enqueue.tenants(keyOf(one.metadata));
      for (const one of watched().endpoints.find("secret", key)) enqueue.endpoints(keyOf(one.metadata));
    },
  };
}

/** Whether endpoints and policies of a tenant may have to be looked at: it came, went, or is ready or not. */
function concernsOthers(before: Tenant | undefined, now: Tenant | undefined): boolean {
  const told = (tenant: Tenant | undefined) => {
    const ready = tenant?.status?.conditions?.find(({ type }) => type === "Ready");
    const { uid, generation, deletionTimestamp } = tenant?.metadata ?? {};
    return JSON.stringify([uid, generation, deletionTimestamp, tenant?.status?.tenantId, ready?.status]);
  };
  return told(before) !== told(now);
}

function policyKeysOf({ metadata: { namespace }, spec }: Tenant): string[] {
  return spec.fraudPolicyRef === undefined ? [] : [`${namespace}/${spec.fraudPolicyRef.name}`];
}

/** The key of an object of this name in the same namespace. */
function siblingKey({ metadata: { namespace } }: Tenant | WebhookEndpoint, name: string): string {
  return keyOf({ namespace, name });
}

function tenantKeyOf({ metadata, spec }: WebhookEndpoint): string {
  return `${spec.tenantRef.namespace ?? metadata.namespace}/${spec.tenantRef.name}`;
}

const ownAnnotation = /^payflow\.dev\//;

/**
 * Nobody reads other managers' fields, nor others' annotations: kubectl notes the object once more there, and
 * anybody may fill a quarter of a megabyte.
 */
function trimmed<T extends KubernetesObject>(object: T): T {
  const kept = keepManager(object, fieldManager);
  const annotations = Object.entries(kept.metadata.annotations ?? {}).filter(([name]) =>
    ownAnnotation.test(name),
  );
  return { ...kept, metadata: { ...kept.metadata, annotations: Object.fromEntries(annotations) } };
}
