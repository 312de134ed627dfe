import {
  InternalEndpoint,
  internalEndpointPath,
  type PutEndpointBody,
} from "@payflow/contracts/internal-notifier.ts";
import { governedId } from "@payflow/contracts/internal-operator.ts";
import { rotateNowOf } from "../governing/annotations.ts";
import { requireNewestGeneration } from "../governing/newest-generation.ts";
import type { Reconciling } from "../governing/reconciling.ts";
import { nextAfterFailure, progressOfFailure, Refused } from "../governing/refusals.ts";
import { writeStatus } from "../governing/status.ts";
import type { Applied, Next, Pass, Reconciler } from "../kubernetes/controller/reconciler.ts";
import type { Finding, Progress } from "../kubernetes/objects/conditions.ts";
import { addFinalizer, removeFinalizer } from "../kubernetes/objects/finalizers.ts";
import { keyOf } from "../kubernetes/objects/object.ts";
import type { Tenant } from "../tenant/tenant.resource.ts";
import { deliveryFindings, deliveryStatus, endpointProgress } from "./delivery/delivery.ts";
import { DeliveryReports } from "./delivery/delivery-reports.ts";
import { endpointBody } from "./endpoint-body.ts";
import { driftedFields } from "./endpoint-drift.ts";
import { isAskedFor, nextRotation, overlapSeconds, reasonToIssue, type Signing } from "./signing/signing.ts";
import { abandonSigning, ensureSigning, forgetPrevious } from "./signing/signing-secret.ts";
import {
  signingSecretName,
  type WebhookEndpoint,
  type WebhookEndpointStatus,
  webhookEndpointKind,
} from "./webhook-endpoint.resource.ts";
import {
  type EndpointPlan,
  hasToBePut,
  isReady,
  overlapEnd,
  planFor,
  signingFindings,
  signingStatus,
} from "./webhook-endpoint.ts";

interface ObservedEndpoint {
  readonly endpoint: WebhookEndpoint;
  /** The one it names, whether or not it may. */
  readonly tenant: Tenant | undefined;
}

type EndpointOutcome =
  | { readonly kind: "nothing" }
  | { readonly kind: "withheld"; readonly progress: Progress }
  | { readonly kind: "draining"; readonly found: InternalEndpoint }
  | { readonly kind: "programmed"; readonly found: InternalEndpoint; readonly signing: Signing };

type Fields = Omit<WebhookEndpointStatus, "observedGeneration" | "conditions" | "lastHandledForceSync">;

const finalizer = "payflow.dev/webhook-endpoint";
/** How often it is asked whether all that waited was sent, while nothing is. */
const drainBackoff = { firstMs: 1_000, maxMs: 10_000 };
const tenantReplaced =
  "The endpoint was made for a Tenant of this name that is gone, and sends nothing. Delete it and make it again.";
const drainPolicies = { Drain: "drain", Immediate: "immediate" } as const;

/** Makes the notifier send what WebhookEndpoint resources say, and tells how that goes. */
export class WebhookEndpointReconciler
  implements Reconciler<ObservedEndpoint, EndpointPlan, EndpointOutcome>
{
  readonly #deps: Reconciling;
  readonly #reports: DeliveryReports;

  constructor(deps: Reconciling) {
    this.#deps = deps;
    this.#reports = new DeliveryReports(deps.deliveryStatusMs);
  }

  async observe({ key }: Pass): Promise<ObservedEndpoint | undefined> {
    const { endpoints, tenants } = this.#deps.watched;
    const endpoint = endpoints.get(key);
    if (endpoint === undefined) {
      this.#reports.forget(key);
      return undefined;
    }
    const { namespace = endpoint.metadata.namespace, name } = endpoint.spec.tenantRef;
    return { endpoint, tenant: tenants.get(`${namespace}/${name}`) };
  }

  decide({ endpoint, tenant }: ObservedEndpoint): EndpointPlan {
    return planFor(endpoint, tenant);
  }

  async apply(
    plan: EndpointPlan,
    { endpoint, tenant }: ObservedEndpoint,
    pass: Pass,
  ): Promise<EndpointOutcome> {
    if (plan.kind === "withhold") {
      // The finalizer was there before the notifier heard of it, the status only afterwards.
      const isThere = endpoint.metadata.finalizers?.includes(finalizer) === true;
      if (isThere) await this.#silence(endpoint, await this.#read(endpoint, pass), pass);
      return { kind: "withheld", progress: plan.progress };
    }
    if (plan.kind === "remove") return this.#remove(endpoint, pass);
    // Without a tenant nothing is to converge.
    if (plan.kind === "leave" || tenant === undefined) return { kind: "nothing" };
    return this.#converge(endpoint, governedId("ten", tenant.metadata.uid), pass);
  }

  async report(
    applied: Applied<EndpointOutcome>,
    { endpoint }: ObservedEndpoint,
    { key }: Pass,
  ): Promise<Next | undefined> {
    if (!applied.isDone) {
      const progress = progressOfFailure(applied.error);
      await this.#write(endpoint, progress, knownFields(endpoint), secretFindings(progress), false);
      return nextAfterFailure(applied.error);
    }
    const { outcome } = applied;
    switch (outcome.kind) {
      case "nothing":
        return undefined;
      case "withheld":
        await this.#write(endpoint, outcome.progress, knownFields(endpoint), [], true);
        return undefined;
      case "draining": {
        const message = "What waits is still sent; the object goes when that is done.";
        const progress: Progress = { state: "reconciling", reason: "Draining", message };
        const delivery = deliveryStatus(this.#reports.toShow(key, outcome.found.status, this.#deps.now()));
        await this.#write(endpoint, progress, { ...knownFields(endpoint), delivery }, [], true);
        const { pending } = outcome.found.status;
        return { waiting: { reason: `draining ${pending}`, backoff: drainBackoff } };
      }
      case "programmed":
        return this.#reportProgrammed(key, endpoint, outcome.found, outcome.signing);
    }
  }

  async #converge(read: WebhookEndpoint, tenantId: string, pass: Pass): Promise<EndpointOutcome> {
    const { leading, watched, apps, drift, now } = this.#deps;
    const endpoint = await watched.endpoints.writing(keyOf(read.metadata), () =>
      addFinalizer(leading.client, webhookEndpointKind, read, finalizer),
    );
    let found = await this.#find(endpoint, pass);
    await requireNewestGeneration(leading, webhookEndpointKind, endpoint, found?.generation);
    if (found !== undefined && found.tenant_id !== tenantId) {
      await this.#silence(endpoint, found, pass);
      throw new Refused("TenantReplaced", tenantReplaced);
    }
    const signing = await ensureSigning(this.#deps, endpoint);
    const body = endpointBody(endpoint.spec, tenantId, {
      secret: signing.current,
      overlap_seconds: overlapSeconds(signing, endpoint.spec.signing.rotation, now()),
    });
    const drifted = found === undefined ? ["endpoint"] : driftedFields(endpoint.spec, signing.current, found);
    if (found === undefined || hasToBePut(endpoint, drifted, found)) {
      const isOthersDoing = isReady(endpoint) && !isNewer(signing, endpoint);
      if (isOthersDoing) drift.report(webhookEndpointKind, endpoint, drifted);
      found = await apps.notifier.put(endpoint, pathOf(endpoint), body, InternalEndpoint, pass);
    }
    const isOver = signing.previous !== undefined && overlapEnd(found, now()) === undefined;
    const kept = isOver ? await forgetPrevious(this.#deps, endpoint, signing) : signing;
    return { kind: "programmed", found, signing: kept };
  }

  /** What the notifier has; not asked where it cannot have anything yet. */
  async #find(endpoint: WebhookEndpoint, pass: Pass): Promise<InternalEndpoint | undefined> {
    return endpoint.status?.endpointId === undefined ? undefined : this.#read(endpoint, pass);
  }

  #read(endpoint: WebhookEndpoint, pass: Pass): Promise<InternalEndpoint | undefined> {
    return this.#deps.apps.notifier.read(pathOf(endpoint), InternalEndpoint, pass);
  }

  /** A tenant that allows the endpoint no longer, or is gone, is told of no further: nothing more is sent. */
  async #silence(endpoint: WebhookEndpoint, found: InternalEndpoint | undefined, pass: Pass): Promise<void> {
    if (found === undefined || found.state !== "open" || !found.enabled) return;
    const { tenant_id, mode, url, events, delivery } = found;
    const body = { tenant_id, mode, url, events, delivery, enabled: false, signing: { overlap_seconds: 0 } };
    // The events are those that an earlier put has named.
    const wanted = body as PutEndpointBody;
    await this.#deps.apps.notifier.put(endpoint, pathOf(endpoint), wanted, InternalEndpoint, pass);
  }

  async #remove(endpoint: WebhookEndpoint, pass: Pass): Promise<EndpointOutcome> {
    const { leading, apps } = this.#deps;
    const path = `${pathOf(endpoint)}?policy=${drainPolicies[endpoint.spec.deletionPolicy]}`;
    const found = await apps.notifier.remove(endpoint, path, InternalEndpoint, pass);
    if (found !== undefined && found.state !== "deleted") return { kind: "draining", found };
    await abandonSigning(this.#deps, endpoint);
    await removeFinalizer(leading.client, webhookEndpointKind, endpoint, finalizer);
    return { kind: "nothing" };
  }

  async #reportProgrammed(
    key: string,
    endpoint: WebhookEndpoint,
    found: InternalEndpoint,
    signing: Signing,
  ): Promise<Next> {
    const now = this.#deps.now();
    const end = overlapEnd(found, now);
    const deliveries = this.#reports.toShow(key, found.status, now);
    const fields: Fields = {
      endpointId: found.endpoint_id,
      tenantId: found.tenant_id,
      secretName: signingSecretName(endpoint),
      ...signingStatus(endpoint, signing, end),
      ...(signing.rotatedFor === undefined ? {} : { lastHandledRotateNow: signing.rotatedFor }),
      delivery: deliveryStatus(deliveries),
    };
    const { rotation } = endpoint.spec.signing;
    const asked = rotateNowOf(endpoint);
    const findings = [
      ...signingFindings(end, isAskedFor(signing, asked)),
      ...deliveryFindings(deliveries, endpoint.spec.enabled),
    ];
    await this.#write(endpoint, endpointProgress(deliveries), fields, findings, true);
    // What waited for the end of an overlap is done by a pass of its own.
    const isDue = reasonToIssue(signing, rotation, asked, now) !== undefined;
    const due = [end ?? nextRotation(signing, rotation), isDue ? now : undefined]
      .filter((time) => time !== undefined)
      .map((time) => Math.max(0, time.getTime() - now.getTime()) + 100);
    return { afterMs: Math.min(this.#deps.deliveryStatusMs, ...due) };
  }

  #write(
    endpoint: WebhookEndpoint,
    progress: Progress,
    fields: Fields,
    findings: readonly Finding[],
    isComplete: boolean,
  ): Promise<void> {
    const { watched } = this.#deps;
    const report = { progress, findings, fields, isComplete };
    return writeStatus(this.#deps, webhookEndpointKind, watched.endpoints, endpoint, report);
  }
}

/** Whether the secret is another than the status knows: then the notifier's differing is our own doing. */
function isNewer(signing: Signing, { status }: WebhookEndpoint): boolean {
  return status?.signing === undefined || new Date(status.signing.issuedAt) < wholeSecond(signing.issuedAt);
}

function wholeSecond(time: Date): Date {
  return new Date(Math.floor(time.getTime() / 1_000) * 1_000);
}

/** Of other failures the Secret is not known to have suffered. */
function secretFindings({ reason, message }: Progress): readonly Finding[] {
  return reason === "SecretNotOwned" ? [{ type: "SecretReady", status: "False", reason, message }] : [];
}

/** All that the status says besides its conditions, as it was. */
function knownFields({ status = {} }: WebhookEndpoint): Fields {
  const {
    observedGeneration: _generation,
    conditions: _conditions,
    lastHandledForceSync: _,
    ...fields
  } = status;
  return fields;
}

function pathOf(endpoint: WebhookEndpoint): string {
  return internalEndpointPath(governedId("whe", endpoint.metadata.uid));
}
