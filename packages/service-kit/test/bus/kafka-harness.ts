import path from "node:path";
import type { BusHarness } from "@payflow/testkit/bus/harness.ts";
import { testKafka } from "@payflow/testkit/kafka.ts";
import { Admin } from "@platformatic/kafka";
import { testSettings } from "./kafka-adapter.ts";

/** Brokers of the suite's own, which kills them all at once. */
export async function kafkaHarness(count: 1 | 3): Promise<BusHarness> {
  const kafka = await testKafka({ brokers: count });
  const admin = new Admin({ clientId: "suite", bootstrapBrokers: kafka.brokers.split(","), retries: 20 });
  return {
    adapter: path.join(import.meta.dir, "kafka-adapter.ts"),
    newSpace: async () => {
      // Brokers of this size would not hold the topics of all tests at once.
      const left = await admin.listTopics();
      if (left.length > 0) await admin.deleteTopics({ topics: left });
      return JSON.stringify(testSettings(kafka.brokers, count));
    },
    stopBroker: async () => {
      await Promise.all(kafka.servers.map((server) => server.stop("SIGKILL")));
    },
    startBroker: async () => {
      await Promise.all(kafka.servers.map((server) => server.start()));
    },
    close: async () => {
      await admin.close();
      await kafka.close();
    },
  };
}
