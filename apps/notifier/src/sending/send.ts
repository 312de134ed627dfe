import http from "node:http";
import https from "node:https";
import { isIPv4, type LookupFunction } from "node:net";
import { isGlobalAddress, literalAddress } from "./address-guard.ts";
import type { ResolveHost } from "./resolve-host.ts";

export interface Outgoing {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Shortens the sender's deadline for this attempt. */
  readonly timeoutMs?: number | null;
}

/** Why an attempt failed: before, or instead of, an answer with a status of 200 to 299. */
export type SendError =
  | "timeout"
  | "forbidden_address"
  | "insecure_url"
  | "name_not_resolved"
  | "connection_failed"
  | "tls_failed"
  | "redirect"
  | "bad_status"
  | "secret_unreadable";

export interface SendResult {
  /** Null for an answer with a status of 200 to 299 whose body ended in time. */
  readonly error: SendError | null;
  readonly statusCode: number | null;
  /** The address that was connected to. */
  readonly address: string | null;
  /** The first bytes of the answer's body. */
  readonly response: Uint8Array;
  readonly retryAfter: string | undefined;
  readonly durationMs: number;
}

export interface SenderOptions {
  readonly resolve: ResolveHost;
  /** Admits http and addresses that are not global: for one machine and tests. */
  readonly allowPrivate: boolean;
  /** Which addresses may be connected to: what `allowPrivate` says when left out. */
  readonly isAllowed?: (address: string) => boolean;
  /** One deadline over name resolution, connection, TLS, headers and body. */
  readonly deadlineMs: number;
  /** Certificates of authorities to trust instead of the system's. */
  readonly ca?: string;
}

export interface Sender {
  /** Makes one attempt; it never throws. */
  send(outgoing: Outgoing): Promise<SendResult>;
  close(): void;
}

const maxReadBytes = 64 * 1024;
const keptBytes = 8 * 1024;
const userAgent = "PayFlow-Webhooks/1";

/**
 * Sends by `node:http`, whose connections go where its `lookup` says: to the address that was checked. It
 * follows no redirect, reads no proxy from the environment, and knows no bound on requests under way: Bun's
 * `fetch` would let 256 hanging endpoints stop all others (docs/decisions/0010-webhook-queue.md).
 */
export function createSender(options: SenderOptions): Sender {
  const ca = options.ca === undefined ? {} : { ca: options.ca };
  const pool = { keepAlive: true, maxFreeSockets: 64, timeout: 30_000 };
  const agents = { http: new http.Agent(pool), https: new https.Agent({ ...pool, ...ca }) };
  return {
    async send(outgoing) {
      const startedAt = performance.now();
      const attempt = new Attempt(options, agents, ca);
      const result = await attempt.run(outgoing);
      return { ...result, durationMs: Math.round(performance.now() - startedAt) };
    },
    close() {
      agents.http.destroy();
      agents.https.destroy();
    },
  };
}

type Outcome = Omit<SendResult, "durationMs">;

class Attempt {
  readonly #options: SenderOptions;
  readonly #agents: { readonly http: http.Agent; readonly https: https.Agent };
  readonly #ca: { readonly ca?: string };
  #request: http.ClientRequest | undefined;
  #statusCode: number | null = null;
  #address: string | null = null;

  constructor(options: SenderOptions, agents: { http: http.Agent; https: https.Agent }, ca: { ca?: string }) {
    this.#options = options;
    this.#agents = agents;
    this.#ca = ca;
  }

  run(outgoing: Outgoing): Promise<Outcome> {
    const { deadlineMs } = this.#options;
    return new Promise((resolve) => {
      const timer = setTimeout(
        () => {
          resolve(this.#failure("timeout"));
          this.#request?.destroy();
        },
        Math.min(outgoing.timeoutMs ?? deadlineMs, deadlineMs),
      );
      this.#send(outgoing)
        .catch((error: unknown) => this.#failure(errorWord(error)))
        .then((outcome) => {
          clearTimeout(timer);
          resolve(outcome);
        });
    });
  }

  async #send(outgoing: Outgoing): Promise<Outcome> {
    const url = new URL(outgoing.url);
    if (url.protocol !== "https:" && !this.#options.allowPrivate) return this.#failure("insecure_url");
    const addresses = await this.#checkedAddresses(url.hostname);
    if (typeof addresses === "string") return this.#failure(addresses);
    try {
      return await this.#exchange(url, outgoing, addresses, true);
    } catch (error) {
      // The other side may close a kept connection at the moment of its reuse; that says nothing of the
      // endpoint.
      if (this.#request?.reusedSocket !== true || this.#statusCode !== null) throw error;
      return this.#exchange(url, outgoing, addresses, false);
    }
  }

  /** IPv4 first; or why nothing may be connected to. One forbidden address among several refuses them all. */
  async #checkedAddresses(hostname: string): Promise<readonly string[] | SendError> {
    const literal = literalAddress(hostname);
    const resolved = literal === null ? await this.#resolve(hostname) : [literal];
    if (resolved.length === 0) return "name_not_resolved";
    const isAllowed = this.#options.isAllowed ?? (this.#options.allowPrivate ? () => true : isGlobalAddress);
    if (!resolved.every(isAllowed)) return "forbidden_address";
    return [...resolved.filter(isIPv4), ...resolved.filter((address) => !isIPv4(address))];
  }

  async #resolve(hostname: string): Promise<readonly string[]> {
    try {
      return await this.#options.resolve(hostname);
    } catch {
      return [];
    }
  }

  #exchange(url: URL, outgoing: Outgoing, addresses: readonly string[], isKept: boolean): Promise<Outcome> {
    const isTls = url.protocol === "https:";
    return new Promise((resolve, reject) => {
      const request = (isTls ? https : http).request(
        {
          protocol: url.protocol,
          hostname: literalAddress(url.hostname) ?? url.hostname,
          port: url.port === "" ? (isTls ? 443 : 80) : Number(url.port),
          path: url.pathname + url.search,
          method: "POST",
          headers: {
            ...outgoing.headers,
            host: url.host,
            "content-type": "application/json",
            "content-length": Buffer.byteLength(outgoing.body),
            "user-agent": userAgent,
          },
          agent: isKept ? (isTls ? this.#agents.https : this.#agents.http) : false,
          lookup: fixedLookup(addresses),
          ...this.#ca,
        },
        (response) => this.#read(response).then(resolve, reject),
      );
      this.#request = request;
      request.on("error", reject);
      request.end(outgoing.body);
    });
  }

  #read(response: http.IncomingMessage): Promise<Outcome> {
    this.#statusCode = response.statusCode ?? 0;
    this.#address = response.socket?.remoteAddress ?? null;
    const retryAfter = response.headers["retry-after"];
    return new Promise((resolve, reject) => {
      const chunks: Uint8Array[] = [];
      let size = 0;
      const done = () => {
        const body = Buffer.concat(chunks).subarray(0, keptBytes);
        resolve({ ...this.#failure(statusError(this.#statusCode ?? 0)), response: body, retryAfter });
      };
      response.on("data", (chunk: Uint8Array) => {
        if (size < keptBytes) chunks.push(chunk);
        size += chunk.length;
        if (size < maxReadBytes) return;
        // The status has said what we want to know; the rest is not read.
        done();
        response.destroy();
      });
      response.on("end", done);
      response.on("error", reject);
      response.on("close", () => reject(new Error("the answer was cut off")));
    });
  }

  #failure(error: SendError | null): Outcome {
    return {
      error,
      statusCode: this.#statusCode,
      address: this.#address,
      response: new Uint8Array(),
      retryAfter: undefined,
    };
  }
}

/** A lookup that knows nothing but the addresses that were checked. */
function fixedLookup(addresses: readonly string[]): LookupFunction {
  const found = addresses.map((address) => ({ address, family: isIPv4(address) ? 4 : 6 }));
  return (_name, lookupOptions, callback) => {
    const [first] = found;
    if (first === undefined) return callback(new Error("no address"), "", 4);
    if (lookupOptions.all === true) callback(null, found);
    else callback(null, first.address, first.family);
  };
}

function statusError(status: number): SendError | null {
  if (status >= 200 && status < 300) return null;
  return status >= 300 && status < 400 ? "redirect" : "bad_status";
}

const tlsCodes =
  /^(ERR_TLS|ERR_SSL|CERT_|UNABLE_TO|DEPTH_ZERO|SELF_SIGNED|HOSTNAME_MISMATCH|EPROTO|INVALID_CA)/;

function errorWord(error: unknown): SendError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return tlsCodes.test(code) ? "tls_failed" : "connection_failed";
}
