import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import type { KubernetesClient } from "../kubernetes/client/client.ts";
import type { FencingToken } from "../kubernetes/election/lease-record.ts";
import type { Term } from "../kubernetes/election/term.ts";
import type { EventRecorder } from "../kubernetes/events/event-recorder.ts";
import { createEventRecorder } from "../kubernetes/events/event-recorder.ts";
import type { ObjectName } from "../kubernetes/objects/object.ts";
import { type Applier, createApplier } from "../kubernetes/objects/server-side-apply.ts";
import type { CrashPoint } from "./crash-point.ts";

/** Under which name our fields stand in `managedFields`. */
export const fieldManager = "payflow-operator";

/** By which right a process writes, and what it writes with; nothing of it works after the term. */
export interface Leading {
  readonly term: Term;
  readonly client: KubernetesClient;
  readonly applier: Applier;
  readonly events: EventRecorder;
  /** What services compare: its lease is `<namespace>/<name>`, since a cluster may have several operators. */
  readonly fence: FencingToken;
}

export interface LeadingOptions {
  readonly client: KubernetesClient;
  readonly lease: Required<ObjectName>;
  readonly identity: string;
  readonly logger: Logger;
  readonly crash: CrashPoint;
}

/** What a term's passes write with. */
export function beginLeading(term: Term, options: LeadingOptions): Leading {
  const { crash, lease, logger } = options;
  const client = options.client.within({
    signal: term.signal,
    mayWrite: () => {
      term.check();
      crash("kubernetes.sending");
    },
  });
  return {
    term,
    client,
    applier: createApplier(client, fieldManager),
    events: createEventRecorder({
      client,
      controller: "payflow.dev/operator",
      instance: options.identity,
      logger,
    }),
    fence: { ...term.token, lease: `${lease.namespace}/${lease.name}` },
  };
}
