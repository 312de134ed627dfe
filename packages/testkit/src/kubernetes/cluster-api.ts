import { YAML } from "bun";
import { eventually } from "../eventually.ts";

export interface ApiAnswer {
  readonly status: number;
  /** What the answer holds; a `Status` for refusals. */
  // An object of any kind: a test looks at the fields that it knows.
  // biome-ignore lint/suspicious/noExplicitAny: see above
  readonly body: any;
}

interface Kubeconfig {
  readonly clusters: readonly [
    { cluster: { server: string; "certificate-authority-data": string } },
    ...unknown[],
  ];
  readonly users: readonly [
    { user: { "client-certificate-data": string; "client-key-data": string } },
    ...unknown[],
  ];
}

/** The API as the kubeconfig's user; that must be one with a certificate, as `Cluster` writes it. */
export class ClusterApi {
  readonly server: string;
  readonly authority: string;
  readonly #tls: { readonly ca: string; readonly cert: string; readonly key: string };

  constructor(kubeconfig: string) {
    const decode = (text: string) => Buffer.from(text, "base64").toString("utf8");
    // Written by our own program, or by a user who was told what is needed.
    const { clusters, users } = YAML.parse(kubeconfig) as Kubeconfig;
    const { user } = users[0];
    this.server = clusters[0].cluster.server;
    this.authority = decode(clusters[0].cluster["certificate-authority-data"]);
    this.#tls = {
      ca: this.authority,
      cert: decode(user["client-certificate-data"]),
      key: decode(user["client-key-data"]),
    };
  }

  async request(method: string, path: string, body?: unknown): Promise<ApiAnswer> {
    const answer = await fetch(`${this.server}${path}`, {
      method,
      tls: this.#tls,
      headers: { accept: "application/json", "content-type": contentType(method) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    const isJson = answer.headers.get("content-type")?.startsWith("application/json") ?? false;
    return { status: answer.status, body: isJson ? JSON.parse(text) : text };
  }

  /** Throws what the server says when it refuses. */
  async create(path: string, body: unknown): Promise<ApiAnswer["body"]> {
    const answer = await this.request("POST", path, body);
    if (answer.status >= 300) throw new Error(`${path}: ${answer.body.message ?? answer.status}`);
    return answer.body;
  }

  /** Waits until there is such an object. */
  async present(path: string): Promise<void> {
    await eventually(async () => (await this.request("GET", path)).status === 200, { timeoutMs: 30_000 });
  }
}

/** A patch without a word about its kind is a merge patch. */
function contentType(method: string): string {
  return method === "PATCH" ? "application/merge-patch+json" : "application/json";
}
