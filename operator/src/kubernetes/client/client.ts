import { type KubernetesObject, type ObjectName, pathOf, type ResourceKind } from "../objects/object.ts";
import { ApiError, hasStatus } from "./api-error.ts";
import { type ApiRequest, retryAfterMs, type Transport } from "./transport.ts";

export interface ListPage<T> {
  readonly items: readonly T[];
  readonly resourceVersion: string;
  /** Set where more pages follow. */
  readonly continueToken: string | undefined;
}

export interface PatchForm {
  readonly contentType: "application/merge-patch+json" | "application/apply-patch+yaml";
  readonly body: unknown;
  readonly subresource?: string;
  readonly query?: Readonly<Record<string, string>>;
}

type Query = Readonly<Record<string, string | undefined>>;

export interface ClientOptions {
  readonly transport: Transport;
  /** Ends what is under way, and refuses what comes after. */
  readonly signal?: AbortSignal;
  /** Throws where nothing may be written any more; asked at the last moment before each write. */
  readonly mayWrite?: () => void;
}

/** The API server's verbs on plain objects. All but `get` and `remove` throw `ApiError` on any refusal. */
export class KubernetesClient {
  readonly #transport: Transport;
  readonly #options: ClientOptions;

  constructor(options: ClientOptions) {
    this.#transport = options.transport;
    this.#options = options;
  }

  /** The same client, which stops with the signal and writes only while the guard does not throw. */
  within(limits: Omit<ClientOptions, "transport">): KubernetesClient {
    const signals = [this.#options.signal, limits.signal].filter((one) => one !== undefined);
    return new KubernetesClient({
      ...this.#options,
      ...limits,
      ...(signals.length > 0 ? { signal: AbortSignal.any(signals) } : {}),
    });
  }

  /** The object, or undefined where there is none. */
  async get<T extends KubernetesObject>(kind: ResourceKind, name: ObjectName): Promise<T | undefined> {
    try {
      return await this.#json<T>({ method: "GET", path: pathOf(kind, name) });
    } catch (error) {
      if (hasStatus(error, 404)) return undefined;
      throw error;
    }
  }

  /** One page; without a limit, everything. */
  async list<T extends KubernetesObject>(
    kind: ResourceKind,
    namespace: string | undefined,
    query: Query = {},
  ): Promise<ListPage<T>> {
    const answer = await this.#json<{
      items?: T[];
      metadata: { resourceVersion: string; continue?: string };
    }>({ method: "GET", path: pathOf(kind, { namespace }) + queryText(query), timeoutMs: 60_000 });
    return {
      items: answer.items ?? [],
      resourceVersion: answer.metadata.resourceVersion,
      continueToken: answer.metadata.continue || undefined,
    };
  }

  /** The bytes of a watch, which flow until one side ends them. */
  async watch(
    kind: ResourceKind,
    namespace: string | undefined,
    query: Query,
    signal: AbortSignal,
  ): Promise<ReadableStream<Uint8Array>> {
    const path = pathOf(kind, { namespace }) + queryText({ ...query, watch: "true" });
    const response = await this.#send({ method: "GET", path, timeoutMs: "none" }, signal);
    if (response.body === null) throw new Error(`GET ${path}: the watch has no body`);
    return response.body;
  }

  create<T extends KubernetesObject>(kind: ResourceKind, object: T): Promise<T> {
    const { namespace } = object.metadata;
    return this.#write<T>({
      method: "POST",
      path: pathOf(kind, { namespace }),
      body: JSON.stringify(object),
    });
  }

  /** Replaces the object; refused with 409 where its `resourceVersion` is not the present one. */
  replace<T extends KubernetesObject>(kind: ResourceKind, object: T): Promise<T> {
    return this.#write<T>({
      method: "PUT",
      path: pathOf(kind, object.metadata),
      body: JSON.stringify(object),
    });
  }

  patch<T extends KubernetesObject>(kind: ResourceKind, name: ObjectName, form: PatchForm): Promise<T> {
    const { namespace, name: plainName } = name;
    const { subresource } = form;
    const place = { namespace, name: plainName, ...(subresource === undefined ? {} : { subresource }) };
    return this.#write<T>({
      method: "PATCH",
      path: pathOf(kind, place) + queryText(form.query ?? {}),
      headers: { "content-type": form.contentType },
      body: JSON.stringify(form.body),
    });
  }

  /** Deletes the object if it is still this one; that it is gone already is no error. */
  async remove(
    kind: ResourceKind,
    name: ObjectName,
    preconditions: { readonly uid?: string; readonly resourceVersion?: string } = {},
  ): Promise<void> {
    const body = JSON.stringify({ apiVersion: "v1", kind: "DeleteOptions", preconditions });
    try {
      await this.#write({ method: "DELETE", path: pathOf(kind, name), body });
    } catch (error) {
      if (!hasStatus(error, 404)) throw error;
    }
  }

  async #write<T>(request: ApiRequest): Promise<T> {
    return this.#json<T>({
      ...request,
      headers: { "content-type": "application/json", ...request.headers },
      beforeSend: this.#options.mayWrite,
    });
  }

  async #json<T>(request: ApiRequest): Promise<T> {
    const response = await this.#send(request);
    // What an API server answers with success has the form of its kind.
    return (await response.json()) as T;
  }

  async #send(request: ApiRequest, signal?: AbortSignal): Promise<Response> {
    const limits = [this.#options.signal, signal].filter((one) => one !== undefined);
    const response = await this.#transport.send({
      ...request,
      headers: { accept: "application/json", ...request.headers },
      signal: limits.length > 1 ? AbortSignal.any(limits) : limits[0],
    });
    if (response.ok) return response;
    const told = `${request.method} ${request.path}`;
    const body: unknown = await response.json().catch(() => undefined);
    throw ApiError.from(response.status, body, told, retryAfterMs(response));
  }
}

function queryText(query: Query): string {
  const given = Object.entries(query).filter((pair): pair is [string, string] => pair[1] !== undefined);
  return given.length === 0 ? "" : `?${new URLSearchParams(given)}`;
}
