import { afterAll, beforeAll, describe, test } from "bun:test";
import { testRedis } from "@payflow/testkit/redis.ts";
import { testRedisCluster } from "@payflow/testkit/redis-cluster.ts";
import { StreamSpace } from "./streams-fixture.ts";

export type StreamTest = (promise: string, run: (space: StreamSpace) => Promise<void>) => void;

/** Runs tests on one server and on a cluster, each with an empty space of its own. */
export function onBoth(tests: (test: StreamTest) => void): void {
  describe.each(["one server", "a cluster"])("%s", (kind) => {
    let urls = "";
    let close: () => Promise<void>;
    beforeAll(async () => {
      if (kind === "one server") {
        const servers = await testRedis();
        ({ close } = servers);
        urls = servers.durable.url;
      } else {
        const cluster = await testRedisCluster();
        ({ close } = cluster);
        urls = cluster.urls;
      }
    }, 30_000);
    afterAll(() => close());
    tests((promise, run) => {
      test(promise, async () => {
        const space = await StreamSpace.open(urls);
        try {
          await run(space);
        } finally {
          await space.end();
        }
      }, 60_000);
    });
  });
}
