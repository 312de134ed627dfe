import { DomainError } from "@payflow/contracts/errors.ts";
import { governorHeaders } from "@payflow/contracts/internal-operator.ts";
import type { InternalClient, InternalMethod } from "@payflow/service-kit/http/internal-client.ts";
import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import type { Static, TSchema } from "@sinclair/typebox";
import type { Pass } from "../kubernetes/controller/reconciler.ts";
import { TermOver } from "../kubernetes/election/term.ts";
import type { ObjectMeta } from "../kubernetes/objects/object.ts";
import type { CrashPoint } from "./crash-point.ts";
import type { Leading } from "./leading.ts";
import { meaningOf } from "./refusals.ts";

/** A resource on whose behalf an app is written to. */
export interface Governing {
  readonly metadata: Required<Pick<ObjectMeta, "name" | "namespace" | "uid" | "generation">>;
}

export interface GovernedAppOptions {
  readonly app: InternalClient;
  readonly leading: Leading;
  /** What tells our cluster from others that use the same app. */
  readonly cluster: string;
  readonly logger: Logger;
  readonly crash: CrashPoint;
}

/**
 * The internal routes of one app. All throw `Refused` for what somebody has to change, `AppAway` for what
 * passes by itself, a conflict where the resource has been changed since it was read, and `TermOver` where
 * another operator leads; then they end the term, too.
 */
export interface GovernedApp {
  /** The object, or undefined where there is none. */
  read<T extends TSchema>(path: string, answer: T, pass: Pass): Promise<Static<T> | undefined>;
  put<T extends TSchema>(
    resource: Governing,
    path: string,
    body: unknown,
    answer: T,
    pass: Pass,
  ): Promise<Static<T>>;
  /** What it has become; undefined where there was none. */
  remove<T extends TSchema>(
    resource: Governing,
    path: string,
    answer: T,
    pass: Pass,
  ): Promise<Static<T> | undefined>;
}

/** Writes to one app in the name of resources, and by the right of this term. */
export function createGovernedApp(options: GovernedAppOptions): GovernedApp {
  const { app, leading, cluster, logger, crash } = options;

  async function call<T extends TSchema>(
    method: InternalMethod,
    path: string,
    answer: T,
    { signal }: Pass,
    sent: { readonly body?: unknown; readonly headers?: Record<string, string> } = {},
  ): Promise<Static<T>> {
    try {
      return await app.call(method, path, sent.body, { answer, signal, headers: sent.headers ?? {} });
    } catch (error) {
      // Whatever was broken off on purpose is no outage.
      if (signal.aborted) throw signal.reason;
      if (!(error instanceof DomainError)) throw error;
      if (error.reason !== "stale_leader") throw error.reason === "not_found" ? error : meaningOf(error);
      logger.warn({ path, detail: error.detail }, "an app has heard of a newer leader; the term ends");
      leading.term.end("an app has heard of a newer leader");
      throw new TermOver("another process leads");
    }
  }

  function governorOf({ metadata }: Governing): Record<string, string> {
    leading.term.check();
    crash("app.sending");
    const { namespace, name, uid, generation } = metadata;
    return governorHeaders({ owner: { cluster, namespace, name, uid }, generation, fence: leading.fence });
  }

  async function ifFound<T>(asked: Promise<T>): Promise<T | undefined> {
    try {
      return await asked;
    } catch (error) {
      if (error instanceof DomainError && error.reason === "not_found") return undefined;
      throw error;
    }
  }

  return {
    read: (path, answer, pass) => ifFound(call("GET", path, answer, pass)),
    async put(resource, path, body, answer, pass) {
      try {
        return await call("PUT", path, answer, pass, { body, headers: governorOf(resource) });
      } catch (error) {
        throw error instanceof DomainError ? meaningOf(error) : error;
      }
    },
    remove: (resource, path, answer, pass) =>
      ifFound(call("DELETE", path, answer, pass, { headers: governorOf(resource) })),
  };
}
