import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import type { FraudPolicy } from "../fraud-policy/fraud-policy.resource.ts";
import type { KeyPace } from "../keys/key-pace.ts";
import type { Secret } from "../keys/secret.ts";
import type { Watched } from "../kubernetes/cache/watched.ts";
import type { Tenant } from "../tenant/tenant.resource.ts";
import type { WebhookEndpoint } from "../webhook-endpoint/webhook-endpoint.resource.ts";
import type { CrashPoint } from "./crash-point.ts";
import type { DriftReporter } from "./drift.ts";
import type { GovernedApp } from "./governed-app.ts";
import type { Leading } from "./leading.ts";

/** Everything that the watches tell. Of Secrets only those with the operator's label. */
export interface WatchedResources {
  /** Found by the `policy` that a Tenant refers to, and by its `secret`, each as `<namespace>/<name>`. */
  readonly tenants: Watched<Tenant>;
  /** Found by the `tenant` that an endpoint refers to, and by its `secret`, likewise. */
  readonly endpoints: Watched<WebhookEndpoint>;
  readonly policies: Watched<FraudPolicy>;
  readonly secrets: Watched<Secret>;
}

/** What the reconcilers of a term work with. */
export interface Reconciling {
  readonly leading: Leading;
  readonly watched: WatchedResources;
  readonly apps: {
    readonly tenant: GovernedApp;
    readonly notifier: GovernedApp;
    readonly fraud: GovernedApp;
  };
  readonly drift: DriftReporter;
  readonly keyPace: KeyPace;
  readonly crash: CrashPoint;
  readonly logger: Logger;
  readonly now: () => Date;
  /** How often the status tells of an endpoint's deliveries, and of fraud's replicas, at most. */
  readonly deliveryStatusMs: number;
}
