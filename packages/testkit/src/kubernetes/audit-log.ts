import { randomBytes } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { auditLogFile } from "@payflow/one-machine/cluster/control-plane.ts";
import { eventually } from "../eventually.ts";
import type { ClusterApi } from "./cluster-api.ts";

/** A request that the API server has answered, whatever it answered. */
export interface AuditedRequest {
  /** Such as `system:serviceaccount:namespace:name`. */
  readonly user: string;
  /** `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` or `deletecollection`. */
  readonly verb: string;
  /** The API group; empty for the core's. */
  readonly group: string;
  /** The plural, such as `secrets`. */
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  /** Empty where the request names no object, as in lists and in most creations. */
  readonly name: string;
  readonly status: number;
  readonly userAgent: string;
  /** RFC 3339, when it came. */
  readonly at: string;
}

interface AuditEvent {
  readonly verb: string;
  readonly user: { readonly username: string };
  readonly userAgent?: string;
  readonly requestReceivedTimestamp: string;
  readonly responseStatus?: { readonly code?: number };
  readonly objectRef?: {
    readonly apiGroup?: string;
    readonly resource?: string;
    readonly subresource?: string;
    readonly namespace?: string;
    readonly name?: string;
  };
}

const writingVerbs = new Set(["create", "update", "patch", "delete", "deletecollection"]);

/** Whether a request changes something, or would have. */
export function isWrite({ verb, resource }: AuditedRequest): boolean {
  // Questions that are asked by creating an object which nobody stores.
  return writingVerbs.has(verb) && !/^(tokenreviews|.*accessreviews)$/.test(resource);
}

/**
 * What the API server was asked, apart from what the cluster's own parts ask all the time. A watch is counted
 * when it ends.
 */
export class AuditLog {
  readonly #file: string;
  readonly #api: ClusterApi;

  constructor(folder: string, api: ClusterApi) {
    this.#file = auditLogFile(folder);
    this.#api = api;
  }

  /** A moment: `since` answers what came after it. */
  async mark(): Promise<number> {
    if (!existsSync(this.#file))
      throw new Error(`${this.#file} is missing: this cluster keeps no audit log.`);
    await this.#settle(0);
    return statSync(this.#file).size;
  }

  /** The requests after a moment, in the order in which they were answered; of one user if named. */
  async since(mark: number, user?: string): Promise<AuditedRequest[]> {
    await this.#settle(mark);
    const requests = (await this.#eventsFrom(mark)).map(toRequest);
    return requests.filter((one) => !isMarker(one) && (user === undefined || one.user === user));
  }

  /** A line may come a moment after its answer: waits for that of a question of its own. */
  async #settle(mark: number): Promise<void> {
    const from = Math.max(mark, existsSync(this.#file) ? statSync(this.#file).size : 0);
    const name = `${markerPrefix}${randomBytes(6).toString("hex")}`;
    await this.#api.request("GET", `/api/v1/namespaces/${name}`);
    await eventually(async () => (await Bun.file(this.#file).slice(from).text()).includes(name));
  }

  async #eventsFrom(mark: number): Promise<AuditEvent[]> {
    const text = await Bun.file(this.#file).slice(mark).text();
    // The last line may still be in the writing.
    const whole = text.slice(0, text.lastIndexOf("\n") + 1);
    return whole
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line));
  }
}

const markerPrefix = "audit-marker-";
const isMarker = ({ name }: AuditedRequest) => name.startsWith(markerPrefix);

function toRequest(event: AuditEvent): AuditedRequest {
  const { apiGroup = "", resource = "", subresource = "", namespace = "", name = "" } = event.objectRef ?? {};
  return {
    user: event.user.username,
    verb: event.verb,
    group: apiGroup,
    resource,
    subresource,
    namespace,
    name,
    status: event.responseStatus?.code ?? 0,
    userAgent: event.userAgent ?? "",
    at: event.requestReceivedTimestamp,
  };
}
