import { writeFileSync } from "node:fs";
import path from "node:path";
import { kubeconfigText } from "@payflow/one-machine/cluster/kubeconfig.ts";
import type { TestCluster } from "@payflow/testkit/kubernetes.ts";
import { temporaryFolder } from "@payflow/testkit/temporary-folder.ts";
import type { Workplace } from "../setup/workplace.ts";

export interface Asked {
  readonly method: string;
  readonly url: URL;
  readonly body: string;
}

/** Called with each request; `forward` asks the server behind, once or more often. */
export type Intercept = (asked: Asked, forward: () => Promise<Response>) => Promise<Response>;

export interface Proxy {
  readonly url: string;
  intercept: Intercept;
  stop(): Promise<void>;
}

/** Stands before a server and hands requests on, as its `intercept` says; without one all goes through. */
export function startProxy(target: string, authority?: string): Proxy {
  const proxy = { intercept: plain };
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    async fetch(request) {
      const url = new URL(request.url);
      const asked: Asked = { method: request.method, url, body: await request.text() };
      const headers = new Headers(request.headers);
      for (const name of ["host", "connection", "content-length", "accept-encoding"]) headers.delete(name);
      const isWatch = url.searchParams.get("watch") === "true";
      const forward = async () => {
        const answer = await fetch(target + url.pathname + url.search, {
          ...{ method: asked.method, headers, redirect: "manual", timeout: false },
          ...(asked.body === "" ? {} : { body: asked.body }),
          ...(authority === undefined ? {} : { tls: { ca: authority } }),
          // A watch goes on for as long as somebody listens.
          ...(isWatch ? { signal: request.signal } : {}),
        });
        const kept = new Headers(answer.headers);
        for (const name of ["content-length", "transfer-encoding"]) kept.delete(name);
        return new Response(isWatch ? opened(answer.body) : answer.body, {
          ...{ status: answer.status, headers: kept },
        });
      };
      return proxy.intercept(asked, forward);
    },
    // Connections that are cut on purpose, or by the one behind, are nobody's fault here.
    error: () => Response.json({ kind: "Status", code: 502 }, { status: 502 }),
  });
  return Object.assign(proxy, {
    url: `http://127.0.0.1:${server.port}`,
    stop: () => server.stop(true),
  });
}

/** Bun sends an answer's head with its first bytes, an API server at once; empty lines are nothing to anybody. */
function opened(body: ReadableStream<Uint8Array> | null): ReadableStream<Uint8Array> | null {
  const start = (controller: TransformStreamDefaultController<Uint8Array>) =>
    controller.enqueue(new TextEncoder().encode("\n"));
  return body?.pipeThrough(new TransformStream<Uint8Array, Uint8Array>({ start })) ?? null;
}

const plain: Intercept = (_, forward) => forward();

/** A way to the API server that tests may meddle with, and a kubeconfig of the operator's that takes it. */
export function proxiedApi(cluster: TestCluster, { account, home }: Pick<Workplace, "account" | "home">) {
  const proxy = startProxy(cluster.server, cluster.authority);
  const kubeconfig = path.join(temporaryFolder(), `${home}-${crypto.randomUUID()}.kubeconfig`);
  const { authority } = cluster;
  const user = { token: account.token };
  writeFileSync(kubeconfig, kubeconfigText({ server: proxy.url, authority, user, namespace: home }), {
    mode: 0o600,
  });
  return { proxy, kubeconfig };
}

/** The first request that matches waits here, until it is let go; what it is answered with then. */
export function holdFirst(proxy: Proxy, isMeant: (asked: Asked) => boolean) {
  const [held, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const answered = Promise.withResolvers<{ readonly status: number; readonly text: string }>();
  let isOver = false;
  proxy.intercept = async (asked, forward) => {
    if (isOver || !isMeant(asked)) return forward();
    isOver = true;
    held.resolve();
    await gate.promise;
    const answer = await forward();
    answered.resolve({ status: answer.status, text: await answer.clone().text() });
    return answer;
  };
  return {
    /** Resolves when one waits. */
    held: held.promise,
    letGo() {
      gate.resolve();
      return answered.promise;
    },
  };
}
