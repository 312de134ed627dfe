import { governedId } from "@payflow/contracts/internal-operator.ts";
import { InternalTenant, internalTenantPath } from "@payflow/contracts/internal-tenant.ts";
import { isForced, isPaused } from "../governing/annotations.ts";
import { requireNewestGeneration } from "../governing/newest-generation.ts";
import type { Reconciling } from "../governing/reconciling.ts";
import { nextAfterFailure } from "../governing/refusals.ts";
import { writeStatus } from "../governing/status.ts";
import { type SettledKeys, settleKeys } from "../keys/settle-keys.ts";
import type { Applied, Next, Pass, Reconciler } from "../kubernetes/controller/reconciler.ts";
import { addFinalizer, isBeingDeleted } from "../kubernetes/objects/finalizers.ts";
import { keyOf } from "../kubernetes/objects/object.ts";
import { endTenant, tenantFinalizer } from "./end-tenant.ts";
import { type Tenant, tenantKind } from "./tenant.resource.ts";
import { driftOf, tenantBody, wantedKeys } from "./tenant-body.ts";
import { failureReport, tenantReport, wakeAt } from "./tenant-report.ts";

interface ObservedTenant {
  readonly tenant: Tenant;
  readonly found: InternalTenant | undefined;
  /** Why the tenant app could not be asked. */
  readonly unread?: unknown;
}

type TenantPlan =
  | { readonly kind: "end" }
  | {
      readonly kind: "keep";
      readonly isToPut: boolean;
      /** Whether the app shows this generation: what is otherwise then, nobody here has changed. */
      readonly wasInForce: boolean;
      readonly drifted: readonly string[];
    };

/** Its keys, or nothing where it has gone. */
type TenantOutcome = SettledKeys | undefined;

/** A pass is never asked for sooner than this, however little is left of an overlap. */
const leastWaitMs = 500;

/** Makes tenants and their keys what Tenant resources say. */
export function createTenantReconciler(
  deps: Reconciling,
): Reconciler<ObservedTenant, TenantPlan, TenantOutcome> {
  const { tenants } = deps.watched;
  return {
    async observe(pass) {
      const tenant = tenants.get(pass.key);
      if (tenant === undefined || isPaused(tenant)) return undefined;
      if (isBeingDeleted(tenant) && !hasFinalizer(tenant)) return undefined;
      // Nothing is written before the finalizer: what has neither that nor a status was never made.
      const isNew = !hasFinalizer(tenant) && tenant.status === undefined;
      if (isNew) return { tenant, found: undefined };
      try {
        return { tenant, found: await deps.apps.tenant.read(pathOf(tenant), InternalTenant, pass) };
      } catch (error) {
        if (pass.signal.aborted) throw error;
        // It is thrown again where it is reported.
        return { tenant, found: undefined, unread: error };
      }
    },

    decide({ tenant, found }) {
      if (isBeingDeleted(tenant)) return { kind: "end" };
      const fields = found === undefined ? [] : driftOf(tenant.spec, found);
      const wasInForce = found?.generation === tenant.metadata.generation;
      return {
        kind: "keep",
        isToPut: !wasInForce || fields.length > 0 || isForced(tenant),
        wasInForce,
        drifted: wasInForce ? fields : [],
      };
    },

    async apply(plan, { tenant, found, unread }, pass) {
      if (unread !== undefined) throw unread;
      if (plan.kind === "keep") return keep(deps, plan, tenant, found, pass);
      await endTenant(deps, tenant, found, pass);
      return undefined;
    },

    async report(applied: Applied<TenantOutcome>, { tenant }): Promise<Next | undefined> {
      if (applied.isDone && applied.outcome === undefined) return undefined;
      const policy = tenant.spec.fraudPolicyRef?.name;
      const isPolicyThere =
        policy === undefined ||
        deps.watched.policies.get(`${tenant.metadata.namespace}/${policy}`) !== undefined;
      const keys = applied.isDone ? applied.outcome : undefined;
      const report =
        keys === undefined
          ? failureReport(tenant, applied.isDone ? undefined : applied.error)
          : tenantReport(tenant, keys, isPolicyThere);
      await writeStatus(deps, tenantKind, tenants, tenant, report);
      deps.crash("tenant.reported");
      if (!applied.isDone) return nextAfterFailure(applied.error);
      const next = keys === undefined ? undefined : wakeAt(keys);
      if (next === undefined) return undefined;
      return { afterMs: Math.max(leastWaitMs, next.getTime() - deps.now().getTime()) };
    },
  };
}

async function keep(
  deps: Reconciling,
  plan: Extract<TenantPlan, { kind: "keep" }>,
  observed: Tenant,
  found: InternalTenant | undefined,
  pass: Pass,
): Promise<SettledKeys> {
  const { leading, watched, apps, drift, crash } = deps;
  await requireNewestGeneration(leading, tenantKind, observed, found?.generation);
  const tenant = await watched.tenants.writing(keyOf(observed.metadata), () =>
    addFinalizer(leading.client, tenantKind, observed, tenantFinalizer),
  );
  crash("tenant.finalized");
  let present = found;
  if (plan.isToPut || present === undefined) {
    drift.report(tenantKind, tenant, plan.drifted);
    present = await apps.tenant.put(tenant, pathOf(tenant), tenantBody(tenant.spec), InternalTenant, pass);
    crash("tenant.put");
  }
  const wanted = wantedKeys(tenant);
  return settleKeys(deps, { tenant, found: present, wanted, wasInForce: plan.wasInForce }, pass);
}

function pathOf(tenant: Tenant): string {
  return internalTenantPath(governedId("ten", tenant.metadata.uid));
}

function hasFinalizer(tenant: Tenant): boolean {
  return tenant.metadata.finalizers?.includes(tenantFinalizer) ?? false;
}
