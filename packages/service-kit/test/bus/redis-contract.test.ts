import path from "node:path";
import { busContractSuite } from "@payflow/testkit/bus/bus-suite.ts";
import { testRedis } from "@payflow/testkit/redis.ts";

busContractSuite("Redis Streams", async () => {
  const redis = await testRedis();
  return {
    adapter: path.join(import.meta.dir, "redis-adapter.ts"),
    newSpace: async () => JSON.stringify({ url: redis.durable.url, prefix: `bus-${crypto.randomUUID()}` }),
    stopBroker: () => redis.durable.stop("SIGKILL"),
    startBroker: () => redis.durable.start(),
    close: () => redis.close(),
  };
});
