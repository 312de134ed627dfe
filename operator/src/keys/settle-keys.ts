import {
  GovernedKey,
  governedKeyPath,
  type InternalTenant,
  type PutKeyBody,
} from "@payflow/contracts/internal-tenant.ts";
import { makeApiKey } from "@payflow/service-kit/auth/api-key.ts";
import { Type } from "@sinclair/typebox";
import type { Reconciling } from "../governing/reconciling.ts";
import { AppAway, Refused } from "../governing/refusals.ts";
import { isConflict } from "../kubernetes/client/api-error.ts";
import type { Pass } from "../kubernetes/controller/reconciler.ts";
import { type Tenant, tenantKind, tenantSecretName } from "../tenant/tenant.resource.ts";
import {
  entryName,
  type KeySlot,
  type KeyView,
  keyEntry,
  keySlots,
  noteNames,
  type WantedKeys,
} from "./api-key-slot.ts";
import { announceKey } from "./key-events.ts";
import { type KeyReason, type KeyStep, nextKeyStep } from "./next-key-step.ts";
import {
  cachedSecret,
  isMarked,
  noSecret,
  type OwnedSecret,
  readSecret,
  type SecretChange,
  writeSecret,
} from "./owned-secret.ts";

type KeyReconciling = Pick<
  Reconciling,
  "leading" | "watched" | "apps" | "drift" | "crash" | "now" | "keyPace"
>;

export interface KeyWork {
  readonly tenant: Tenant;
  /** The tenant as its app has it, read before anything that is done here. */
  readonly found: InternalTenant;
  readonly wanted: WantedKeys;
  /** Whether the app showed this generation before: what is otherwise then, nobody here has changed. */
  readonly wasInForce: boolean;
}

/** The keys as they are when nothing is left to be done. */
export interface SettledKeys {
  readonly secret: OwnedSecret;
  readonly views: readonly KeyView[];
}

/** More than any state needs; a loop that does not end is a fault of ours. */
const maxRounds = 24;

const tooManyKeys =
  "The tenant had very many new keys: something changes its Secret, or asks for rotations, all the time. " +
  "The next key is made in a while.";
const tooManyKeysMs = 10_000;

/**
 * Brings a tenant's keys to where they have to be, step by step, from whatever a crash or a hand has left.
 * Throws `Refused` where the Secret is not ours, or the tenant app takes none of our keys.
 */
export async function settleKeys(deps: KeyReconciling, work: KeyWork, pass: Pass): Promise<SettledKeys> {
  const { tenant, found } = work;
  const owner = { kind: tenantKind, metadata: tenant.metadata };
  const name = tenantSecretName(tenant);
  const settling = new Settling(deps, work, pass);
  const cached = cachedSecret(deps, owner, name);
  if (cached !== undefined && isMarked(cached) && settling.isSettled(cached)) return settling.result(cached);
  // The keys were read before the Secret: one that is registered and not in it has been taken out of it.
  // For a new tenant it is made without a look: that is refused where there is one, and nothing comes before.
  const isNew = cached === undefined && tenant.status === undefined;
  let secret = isNew ? noSecret(owner, name) : await readSecret(deps, owner, name);
  const isIdKnown = () => secret.values[tenantIdEntry] === found.tenant_id;
  for (let round = 0; round < maxRounds; round += 1) {
    const steps = settling.steps(secret);
    const changes = steps.flatMap(([slot, step]) => settling.changeBy(slot, step) ?? []);
    if (changes.length > 0 || !isMarked(secret) || !isIdKnown()) {
      const values = { [tenantIdEntry]: found.tenant_id };
      const written = await writeSecret(deps, secret, merged([{ values }, ...changes])).catch((error) => {
        if (isNew && round === 0 && isConflict(error)) return undefined;
        throw error;
      });
      secret = written ?? (await readSecret(deps, owner, name));
      if (written === undefined) continue;
      for (const [slot, step] of steps) settling.noteWritten(slot, step, secret);
    } else if (steps.length === 0) {
      return settling.result(secret);
    } else {
      for (const [slot, step] of steps) await settling.call(slot, step);
    }
  }
  throw new Error(`The keys of ${tenant.metadata.namespace}/${tenant.metadata.name} do not settle.`);
}

const tenantIdEntry = "tenant-id";

/** One pass over a tenant's keys, and what it has learnt of them. */
class Settling {
  readonly #deps: KeyReconciling;
  readonly #work: KeyWork;
  readonly #pass: Pass;
  readonly #slots: readonly KeySlot[];
  readonly #registered: Map<string, GovernedKey>;
  readonly #refused = new Set<string>();

  constructor(deps: KeyReconciling, work: KeyWork, pass: Pass) {
    this.#deps = deps;
    this.#work = work;
    this.#pass = pass;
    this.#slots = keySlots(work.tenant.spec.mode);
    this.#registered = new Map(work.found.keys.map((key) => [key.key_id, key]));
  }

  /** What is to be done next, a step a slot at most. */
  steps(secret: OwnedSecret): (readonly [KeySlot, KeyStep])[] {
    return this.#slots.flatMap((slot) => {
      const step = nextKeyStep(this.#view(slot, secret));
      return step === undefined ? [] : [[slot, step] as const];
    });
  }

  isSettled(secret: OwnedSecret): boolean {
    return this.steps(secret).length === 0 && secret.values[tenantIdEntry] === this.#work.found.tenant_id;
  }

  result(secret: OwnedSecret): SettledKeys {
    return { secret, views: this.#slots.map((slot) => this.#view(slot, secret)) };
  }

  /** What a step changes in the Secret; undefined where it is a call of the app. */
  changeBy(slot: KeySlot, step: KeyStep): SecretChange | undefined {
    if (step.kind === "store") return step.change;
    if (step.kind !== "make") return undefined;
    if (!this.#deps.keyPace.take(this.#work.tenant.metadata.uid, performance.now())) {
      throw new AppAway("TooManyKeys", tooManyKeys, tooManyKeysMs);
    }
    const value = makeApiKey(slot.mode);
    const values = { [entryName(slot, "next")]: value };
    const next = keyEntry(this.#viewOf(slot, values, {}), "next");
    if (next === undefined) throw new Error("a key that was just made is none");
    const { rotateNow } = this.#work.wanted;
    const notes = noteNames(slot);
    return {
      values,
      annotations: {
        [notes.next]: next.keyId,
        ...(rotateNow === undefined ? {} : { [notes.rotatedFor]: rotateNow }),
      },
    };
  }

  noteWritten(slot: KeySlot, step: KeyStep, secret: OwnedSecret): void {
    if (step.kind === "make") this.#announce(slot, step.why, secret.name);
    this.#deps.crash(`${slot.entry}.${step.kind === "store" ? step.done : "made"}`);
  }

  async call(slot: KeySlot, step: KeyStep): Promise<void> {
    if (step.kind === "register") await this.#register(slot, step);
    if (step.kind === "revoke") await this.#revoke(slot, step.keyId);
  }

  async #register(slot: KeySlot, step: Extract<KeyStep, { kind: "register" }>): Promise<void> {
    const { tenant, found, wanted, wasInForce } = this.#work;
    const { namespace, name } = tenant.metadata;
    const isDrift = wasInForce && (step.role === "current" || (step.role === "previous" && step.isKnown));
    const known = this.#registered.get(step.keyId);
    if (isDrift && known?.expires_at !== null) {
      // The end of a previous key is set for the first time after each rotation.
      this.#deps.drift.report(tenantKind, tenant, step.role === "current" ? [slot.entry] : []);
    }
    const body: PutKeyBody = {
      key_sha256: step.sha256,
      mode: slot.mode,
      name: `${namespace}/${name}`.slice(0, 200),
      scopes: [...wanted.scopes],
      expires_at: step.expiresAt,
    };
    const path = governedKeyPath(found.tenant_id, step.keyId);
    try {
      const key = await this.#deps.apps.tenant.put(tenant, path, body, GovernedKey, this.#pass);
      this.#registered.set(step.keyId, key);
    } catch (error) {
      if (!(error instanceof Refused) || !overReasons.has(error.reason)) throw error;
      this.#refused.add(step.keyId);
      this.#registered.delete(step.keyId);
    }
    this.#deps.crash(`${slot.entry}.${step.role}-registered`);
  }

  async #revoke(slot: KeySlot, keyId: string): Promise<void> {
    const { tenant, found } = this.#work;
    const path = governedKeyPath(found.tenant_id, keyId);
    await this.#deps.apps.tenant.remove(tenant, path, Type.Undefined(), this.#pass);
    this.#registered.delete(keyId);
    this.#deps.crash(`${slot.entry}.revoked`);
  }

  #announce(slot: KeySlot, why: KeyReason, secretName: string): void {
    announceKey(this.#deps.leading.events, this.#work.tenant, { entry: slot.entry, why, secretName });
  }

  #view(slot: KeySlot, secret: OwnedSecret): KeyView {
    return this.#viewOf(slot, secret.values, secret.annotations);
  }

  #viewOf(slot: KeySlot, values: KeyView["values"], annotations: KeyView["annotations"]): KeyView {
    return {
      ...{ slot, values, annotations },
      registered: this.#registered,
      refused: this.#refused,
      tenantUid: this.#work.tenant.metadata.uid,
      wanted: this.#work.wanted,
      now: this.#deps.now(),
    };
  }
}

/** The key itself is not let in any more, or not for this tenant; others are. */
const overReasons = new Set(["InvalidState", "GovernedByAnother"]);

function merged(changes: readonly SecretChange[]): SecretChange {
  return {
    values: Object.assign({}, ...changes.map((change) => change.values)),
    annotations: Object.assign({}, ...changes.map((change) => change.annotations)),
  };
}
