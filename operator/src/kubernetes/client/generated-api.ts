import type { Configuration } from "@kubernetes/client-node";
import {
  type RequestContext,
  ResponseContext,
  wrapHttpLibrary,
} from "@kubernetes/client-node/dist/gen/http/http.js";
import { ServerConfiguration } from "@kubernetes/client-node/dist/gen/servers.js";
import type { Transport } from "./transport.ts";

/**
 * One of client-node's generated APIs over our transport, as in `generatedApi(transport, CoreV1Api)`. Loading
 * any of them costs 50 MB, so that a long-lived process keeps to `KubernetesClient`.
 */
export function generatedApi<T>(transport: Transport, Api: new (configuration: Configuration) => T): T {
  return new Api({
    // The transport knows the server; what stands here only makes the URL a whole one.
    baseServer: new ServerConfiguration("https://kubernetes", {}),
    httpApi: wrapHttpLibrary({ send: (request) => sendGenerated(transport, request) }),
    middleware: [],
    authMethods: {},
  });
}

async function sendGenerated(transport: Transport, request: RequestContext): Promise<ResponseContext> {
  const { pathname, search } = new URL(request.getUrl());
  const body = request.getBody();
  const response = await transport.send({
    // The generated APIs use no other verbs.
    method: request.getHttpMethod() as "GET" | "POST" | "PUT" | "PATCH" | "DELETE",
    path: pathname + search,
    headers: request.getHeaders(),
    signal: request.getSignal(),
    ...(typeof body === "string" ? { body } : {}),
  });
  return new ResponseContext(response.status, Object.fromEntries(response.headers), {
    text: () => response.text(),
    binary: async () => Buffer.from(await response.arrayBuffer()),
    stream: () => response.body,
  });
}
