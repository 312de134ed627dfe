import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import { hasStatus } from "../client/api-error.ts";
import type { KubernetesClient } from "../client/client.ts";
import { apiVersionOf, type KubernetesObject, type ResourceKind } from "../objects/object.ts";
import { microTime } from "../objects/object-time.ts";
import { EventSeries, type EventWrite, type Happening } from "./event-series.ts";

const events: ResourceKind = {
  group: "events.k8s.io",
  version: "v1",
  plural: "events",
  kind: "Event",
  isNamespaced: true,
};

export interface EventRecorderOptions {
  readonly client: KubernetesClient;
  /** Whose events they are, such as `example.org/operator`. */
  readonly controller: string;
  /** Which process of it. */
  readonly instance: string;
  readonly logger: Logger;
  readonly now?: () => number;
}

export interface EventRecorder {
  /** Tells what happened to an object. Never throws and is not waited for: an Event is a courtesy. */
  record(kind: ResourceKind, object: KubernetesObject, happening: Happening): void;
  /** Writes counts that are due, and waits for what is being written; to be called about once a minute. */
  flush(): Promise<void>;
}

/** The API server's limit. */
const maxNote = 1_024;

/** Writes Events, of which one stands for all repetitions of the same happening. */
export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  const { client, logger, now = Date.now } = options;
  const series = new EventSeries(() => crypto.randomUUID().replaceAll("-", "").slice(0, 16));
  const bodies = new Map<string, KubernetesObject>();
  let writing: Promise<void> = Promise.resolve();

  // One after the other, so that a count comes after the Event it belongs to.
  function enqueue(write: EventWrite): void {
    writing = writing
      .then(() => send(write))
      .catch((error: unknown) => logger.debug({ err: error }, "an event was not written"));
  }

  async function send({ verb, key, series: told }: EventWrite): Promise<void> {
    const body = bodies.get(key);
    if (body === undefined) return;
    if (verb === "create") {
      await client.create(events, body);
      return;
    }
    const counted = { series: { count: told.count, lastObservedTime: microTime(new Date(told.lastAt)) } };
    try {
      await client.patch(events, body.metadata, {
        contentType: "application/merge-patch+json",
        body: counted,
      });
    } catch (error) {
      // Events are kept for an hour; a happening may go on for longer.
      if (!hasStatus(error, 404)) throw error;
      await client.create(events, { ...body, ...counted });
    }
  }

  return {
    record(kind, object, happening) {
      const at = now();
      const write = series.note(object.metadata.uid ?? object.metadata.name, happening, at);
      if (write === undefined) return;
      if (write.verb === "create") {
        bodies.set(write.key, eventBody(options, kind, object, happening, write.series.name, at));
      }
      enqueue(write);
    },
    async flush() {
      const { writes, forgotten } = series.due(now());
      for (const write of writes) enqueue(write);
      await writing;
      for (const key of forgotten) bodies.delete(key);
    },
  };
}

function eventBody(
  options: EventRecorderOptions,
  kind: ResourceKind,
  object: KubernetesObject,
  happening: Happening,
  suffix: string,
  at: number,
): KubernetesObject & Record<string, unknown> {
  const { name, uid, resourceVersion, namespace = "default" } = object.metadata;
  return {
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    metadata: { namespace, name: `${name.slice(0, 230)}.${suffix}` },
    eventTime: microTime(new Date(at)),
    reportingController: options.controller,
    reportingInstance: options.instance.slice(0, 128),
    action: happening.action,
    reason: happening.reason,
    type: happening.type,
    note: happening.note.slice(0, maxNote),
    regarding: {
      apiVersion: apiVersionOf(kind),
      kind: kind.kind,
      name,
      ...(object.metadata.namespace === undefined ? {} : { namespace }),
      uid,
      resourceVersion,
    },
  };
}
