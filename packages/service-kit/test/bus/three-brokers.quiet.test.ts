import { busContractSuite } from "@payflow/testkit/bus/bus-suite.ts";
import { kafkaHarness } from "./kafka-harness.ts";

busContractSuite("three brokers of Kafka", () => kafkaHarness(3));
