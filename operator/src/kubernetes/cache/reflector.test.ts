import { expect, test } from "bun:test";
import { createLogger } from "@payflow/service-kit/telemetry/logging.ts";
import type { KubernetesClient } from "../client/client.ts";
import type { KubernetesObject } from "../objects/object.ts";
import { ObjectCache } from "./object-cache.ts";
import { startReflector } from "./reflector.ts";

test("what is listed is cut to what is kept page by page, in pages as small as asked for", async () => {
  const limits: string[] = [];
  let cut = 0;
  const cutBefore: number[] = [];
  const cache = new ObjectCache<KubernetesObject>({
    trim: (object) => {
      cut += 1;
      return object;
    },
  });
  // Nothing else of a client is asked before the list is in.
  const client = {
    within: () => client,
    async list(_: unknown, _namespace: unknown, query: { limit: string; continue?: string }) {
      limits.push(query.limit);
      cutBefore.push(cut);
      const page = Number(query.continue ?? 0);
      const items = [0, 1].map((number) => ({
        metadata: { namespace: "shop", name: `${page}-${number}`, resourceVersion: "7" },
      }));
      return { items, resourceVersion: "9", ...(page === 2 ? {} : { continueToken: `${page + 1}` }) };
    },
  } as unknown as KubernetesClient;
  const kind = { group: "", version: "v1", plural: "secrets", kind: "Secret", isNamespaced: true };
  const reflector = startReflector({
    client,
    kind,
    cache,
    pageSize: 2,
    onChange() {},
    logger: createLogger("test", "silent"),
  });
  await reflector.synced;
  await reflector.stop();
  expect(limits).toEqual(["2", "2", "2"]);
  expect(cutBefore).toEqual([0, 2, 4]);
  expect(cache.size).toBe(6);
});
