import { createHash } from "node:crypto";
import { DomainError } from "@payflow/contracts/errors.ts";
import type {
  EndpointDeletion,
  InternalEndpoint,
  PutEndpointBody,
} from "@payflow/contracts/internal-notifier.ts";
import { type Governor, governedId } from "@payflow/contracts/internal-operator.ts";
import type { SecretBox } from "../sending/secret-box.ts";
import { newSigningSecret } from "../sending/signature.ts";
import { requireFitUrl } from "./create-endpoint.ts";
import type { EndpointChange, EndpointRow } from "./endpoints.store.ts";
import type { GovernedEndpointsStore, GovernedView, HeldEndpoint } from "./governed.store.ts";

export interface GovernEndpoint {
  readonly governed: GovernedEndpointsStore;
  readonly secrets: SecretBox;
  readonly allowPrivate: boolean;
  /** Called after a change that may let deliveries go on, or that leaves some to be canceled. */
  readonly onQueueChanged: () => void;
}

/** What an endpoint of a resource that says nothing of its deliveries would have. */
const usual = { timeoutMs: 15_000, maxAttempts: 10 };

/**
 * Makes the endpoint what its resource says; one that is so already is not touched. One that failures have
 * disabled is enabled again by a change of its resource alone, not by a repeat. Fails with `stale_leader`,
 * `stale_generation`, `governed_by_another`, `immutable_field`, `invalid_request`, `limit_reached`, or
 * `invalid_state` once it was deleted.
 */
export async function putEndpoint(
  deps: GovernEndpoint,
  governor: Governor,
  endpointId: string,
  wanted: PutEndpointBody,
): Promise<InternalEndpoint> {
  requireOwnId(governor, endpointId);
  requireFitUrl(wanted.url, deps.allowPrivate);
  const owner = { tenantId: wanted.tenant_id, mode: wanted.mode };
  const known = await deps.governed.view(endpointId);
  if (known !== null) refuseMove(known.row, wanted);
  const made = await deps.governed.hold(governor, endpointId, owner, async (held) => {
    if (held.claim.isReleased) throw new DomainError("invalid_state", "The resource was deleted.");
    await held.note();
    if (held.current === null) return add(deps, held, endpointId, wanted);
    await change(deps, held, held.current, governor, wanted);
    return undefined;
  });
  deps.onQueueChanged();
  const answer = await readInternalEndpoint(deps, endpointId);
  return { ...answer, ...(made === undefined ? {} : { signing_secret: made }) };
}

/**
 * Ends what a WebhookEndpoint resource governed: at once, or once what waits was sent. Repeating it changes
 * nothing. Fails as `putEndpoint` does, and with `not_found`.
 */
export async function deleteGovernedEndpoint(
  deps: GovernEndpoint,
  governor: Governor,
  endpointId: string,
  policy: EndpointDeletion,
): Promise<InternalEndpoint> {
  requireOwnId(governor, endpointId);
  const known = await deps.governed.view(endpointId);
  if (known === null) {
    // Noted all the same, so that a put that is still on its way makes nobody's endpoint.
    if (await deps.governed.forbid(governor, endpointId)) throw new DomainError("not_found");
    // It was made in this moment.
    return deleteGovernedEndpoint(deps, governor, endpointId, policy);
  }
  await deps.governed.hold(governor, endpointId, known.row, async (held) => {
    if (held.current === null) return;
    if (policy === "immediate") await held.remove();
    else if (held.current.drainingAt === null) await held.drain();
  });
  deps.onQueueChanged();
  return readInternalEndpoint(deps, endpointId);
}

/** The endpoint of a resource with the status of its deliveries. Fails with `not_found`. */
export async function readInternalEndpoint(
  deps: Pick<GovernEndpoint, "governed" | "secrets">,
  endpointId: string,
): Promise<InternalEndpoint> {
  const view = await deps.governed.view(endpointId);
  if (view === null) throw new DomainError("not_found");
  return toInternal(deps.secrets, view);
}

async function add(
  deps: GovernEndpoint,
  held: HeldEndpoint,
  endpointId: string,
  wanted: PutEndpointBody,
): Promise<string | undefined> {
  const secret = wanted.signing.secret ?? newSigningSecret();
  await held.insert({
    id: endpointId,
    tenantId: wanted.tenant_id,
    mode: wanted.mode,
    description: null,
    isDefault: false,
    managedBy: "kubernetes",
    enabled: wanted.enabled,
    secret: deps.secrets.seal(endpointId, secret),
    ...columnsOf(wanted),
  });
  return wanted.signing.secret === undefined ? secret : undefined;
}

async function change(
  deps: GovernEndpoint,
  held: HeldEndpoint,
  row: EndpointRow,
  governor: Governor,
  wanted: PutEndpointBody,
): Promise<void> {
  const { secret, overlap_seconds: overlapSeconds } = wanted.signing;
  if (secret !== undefined && secret !== openSecret(deps.secrets, row)) {
    await held.rotate({ secret: deps.secrets.seal(row.id, secret), overlapSeconds });
  } else if (secret !== undefined && row.previousExpiresAt !== null) await held.cutOverlap(overlapSeconds);
  const columns = columnsOf(wanted);
  const isNewer = (held.claim.before ?? 0) < governor.generation;
  const isWantedAgain = wanted.enabled && (isNewer || row.disabledReason === "owner");
  const switched: EndpointChange =
    wanted.enabled === row.enabled || (wanted.enabled && !isWantedAgain) ? {} : { enabled: wanted.enabled };
  // One that failures have disabled, and that is to be off now, is off by its owner's wish from here on.
  const isOff = !wanted.enabled && row.disabledReason !== "owner";
  const isSame = columnNames.every((name) => String(columns[name]) === String(row[name]));
  if (isSame && switched.enabled === undefined && !isOff) return;
  await held.change({ ...columns, ...switched, ...(isOff ? { enabled: false } : {}) });
}

const columnNames = ["url", "events", "wantedEnabled", "ratePerSecond", "timeoutMs", "maxAttempts"] as const;

function columnsOf({ url, events, enabled, delivery }: PutEndpointBody) {
  return {
    url,
    events,
    wantedEnabled: enabled,
    ratePerSecond: delivery.rate_per_second,
    timeoutMs: delivery.timeout_seconds * 1_000,
    maxAttempts: delivery.max_attempts,
  };
}

function requireOwnId(governor: Governor, endpointId: string): void {
  if (governedId("whe", governor.owner.uid) === endpointId) return;
  throw new DomainError("invalid_request", "The id does not follow from the resource's uid.");
}

function refuseMove(row: EndpointRow, wanted: PutEndpointBody): void {
  const pairs = [
    { pointer: "/tenant_id", was: row.tenantId, is: wanted.tenant_id },
    { pointer: "/mode", was: row.mode, is: wanted.mode },
  ];
  const errors = pairs
    .filter(({ was, is }) => was !== is)
    .map(({ pointer, was }) => ({ pointer, message: `Expected ${was}, which it was made with` }));
  if (errors.length > 0) throw new DomainError("immutable_field", undefined, { errors });
}

function openSecret(secrets: SecretBox, row: EndpointRow): string {
  return secrets.open(row.id, { sealed: row.secret, keyId: row.secretKeyId });
}

function toInternal(secrets: SecretBox, view: GovernedView): InternalEndpoint {
  const { row } = view;
  const time = (date: Date | null) => date?.toISOString() ?? null;
  const isDeleted = row.deletedAt !== null;
  const secret = isDeleted ? "" : openSecret(secrets, row);
  const reason = row.disabledReason;
  return {
    endpoint_id: row.id,
    tenant_id: row.tenantId,
    mode: row.mode,
    url: row.url,
    events: row.events,
    enabled: row.wantedEnabled ?? row.enabled,
    state: isDeleted ? "deleted" : row.drainingAt === null ? "open" : "draining",
    generation: view.generation,
    signing: {
      fingerprint: createHash("sha256").update(secret).digest("hex").slice(0, 16),
      previous_expires_at: time(row.previousExpiresAt),
    },
    delivery: {
      timeout_seconds: Math.round((row.timeoutMs ?? usual.timeoutMs) / 1_000),
      max_attempts: row.maxAttempts ?? usual.maxAttempts,
      rate_per_second: row.ratePerSecond,
    },
    status: {
      last_success_at: time(view.lastSuccessAt),
      last_failure_at: time(view.lastFailureAt),
      last_status_code: view.lastStatusCode,
      consecutive_failures: view.consecutiveFailures,
      pending: view.pending,
      dead: view.dead,
      auto_disabled: reason === "gone" || reason === "failing" ? reason : null,
    },
  };
}
