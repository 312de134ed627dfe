import { expect } from "bun:test";
import type { TestCluster } from "@payflow/testkit/kubernetes.ts";
import type { Condition } from "../../src/kubernetes/objects/conditions.ts";
import {
  apiVersionOf,
  type KubernetesObject,
  type ObjectMeta,
  pathOf,
  type ResourceKind,
} from "../../src/kubernetes/objects/object.ts";
import { patiently } from "./patience.ts";

/** Any object of ours, as tests look at it. */
export interface Found extends KubernetesObject {
  readonly metadata: ObjectMeta;
  // A test looks at the fields that it knows, and asserts what it finds.
  // biome-ignore lint/suspicious/noExplicitAny: see above
  readonly spec?: any;
  // biome-ignore lint/suspicious/noExplicitAny: see above
  readonly status?: any;
  readonly data?: Readonly<Record<string, string>>;
}

export const secretKind: ResourceKind = {
  ...{ group: "", version: "v1", plural: "secrets", kind: "Secret", isNamespaced: true },
};

/** The objects of one namespace, as somebody sees them who may do everything. */
export class Namespace {
  readonly name: string;
  readonly #cluster: TestCluster;

  private constructor(cluster: TestCluster, name: string) {
    this.#cluster = cluster;
    this.name = name;
  }

  static async make(cluster: TestCluster, prefix = "shop"): Promise<Namespace> {
    return new Namespace(cluster, await cluster.namespace(prefix));
  }

  /** Makes an object. Throws what the API server says when it refuses. */
  async create(
    kind: ResourceKind,
    name: string,
    spec: object,
    metadata: Partial<ObjectMeta> = {},
  ): Promise<Found> {
    const body = {
      ...{ apiVersion: apiVersionOf(kind), kind: kind.kind, spec },
      metadata: { ...metadata, name, namespace: this.name },
    };
    return this.#ask("POST", pathOf(kind, { namespace: this.name }), body);
  }

  async get(kind: ResourceKind, name: string): Promise<Found | undefined> {
    const answer = await this.#cluster.request("GET", this.#path(kind, name));
    return answer.status === 404 ? undefined : answer.body;
  }

  /** Changes these fields; null takes one away. */
  patch(kind: ResourceKind, name: string, fields: object): Promise<Found> {
    return this.#ask("PATCH", this.#path(kind, name), fields);
  }

  annotate(kind: ResourceKind, name: string, annotations: Readonly<Record<string, string | null>>) {
    return this.patch(kind, name, { metadata: { annotations } });
  }

  async remove(kind: ResourceKind, name: string): Promise<void> {
    await this.#ask("DELETE", this.#path(kind, name));
  }

  /** Waits until a condition of the object is as said, for its present generation; the condition. */
  becomes(kind: ResourceKind, name: string, type: string, expected: object): Promise<Condition> {
    return patiently(async () => {
      const found = conditionOf(await this.get(kind, name), type);
      expect(found).toMatchObject(expected);
      return found ?? false;
    });
  }

  /** A Secret's values, decoded; undefined where there is none. */
  async secret(name: string): Promise<Readonly<Record<string, string>> | undefined> {
    const found = await this.get(secretKind, name);
    if (found === undefined) return undefined;
    const decode = (text: string) => Buffer.from(text, "base64").toString("utf8");
    return Object.fromEntries(Object.entries(found.data ?? {}).map(([key, text]) => [key, decode(text)]));
  }

  #path(kind: ResourceKind, name: string): string {
    return pathOf(kind, { namespace: this.name, name });
  }

  async #ask(method: string, path: string, body?: object): Promise<Found> {
    const answer = await this.#cluster.request(method, path, body);
    if (answer.status >= 300) throw new Error(answer.body.message ?? `${method} ${path}: ${answer.status}`);
    return answer.body;
  }
}

/** A condition of an object whose present generation it is about. */
export function conditionOf(object: Found | undefined, type: string): Condition | undefined {
  const conditions: readonly Condition[] = object?.status?.conditions ?? [];
  const found = conditions.find((one) => one.type === type);
  return found?.observedGeneration === object?.metadata.generation ? found : undefined;
}
