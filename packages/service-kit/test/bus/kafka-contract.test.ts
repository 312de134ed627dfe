import path from "node:path";
import { busContractSuite } from "@payflow/testkit/bus-suite.ts";
import { testKafka } from "@payflow/testkit/kafka.ts";
import { Admin } from "@platformatic/kafka";
import { testSettings } from "./kafka-adapter.ts";

busContractSuite("Kafka", async () => {
  // A broker of its own: the suite kills it.
  const kafka = await testKafka();
  const admin = new Admin({ clientId: "suite", bootstrapBrokers: kafka.brokers.split(","), retries: 20 });
  return {
    adapter: path.join(import.meta.dir, "kafka-adapter.ts"),
    newSpace: async () => {
      const left = await admin.listTopics();
      if (left.length > 0) await admin.deleteTopics({ topics: left });
      return JSON.stringify(testSettings(kafka.brokers));
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
});
