import { randomBytes } from "node:crypto";
import path from "node:path";
import { reservePort } from "@payflow/one-machine/processes/ports.ts";
import { Supervisor } from "@payflow/one-machine/processes/supervisor.ts";
import { type Certificates, makeCertificates } from "@payflow/one-machine/stores/kafka/certificates.ts";
import { kafkaProcess } from "@payflow/one-machine/stores/kafka/kafka.ts";
import type { KafkaListener, KafkaLogin, LocalKafka } from "@payflow/one-machine/stores/kafka/settings.ts";
import { beforeRemoval, temporaryFolder } from "./temporary-folder.ts";

export interface TestKafkaServer {
  readonly nodeId: number;
  /** `127.0.0.1:port` of its plain listener. */
  readonly address: string;
  /** Its process; null while it is stopped. */
  readonly pid: number | null;
  /** Ends it, by a kill when left out; what it kept on disk is there again after `start`. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again and waits until the cluster has taken it in. */
  start(): Promise<void>;
}

/** Where the listeners that ask for more are, and what they ask for. Each list is by comma. */
export interface KafkaSecurity {
  /** TLS; the client needs the authority. */
  readonly tls: string;
  /** TLS in both directions; the client needs its certificate and key besides. */
  readonly mtls: string;
  /** TLS, and name and password by SCRAM-SHA-512. */
  readonly scramTls: string;
  /** Name and password by SCRAM-SHA-512 alone. */
  readonly scram: string;
  readonly login: KafkaLogin;
  /** Files in PEM form. */
  readonly certificates: Certificates;
}

export interface TestKafka {
  /** The plain listeners by comma, as KAFKA_BROKERS has them. */
  readonly brokers: string;
  readonly servers: readonly TestKafkaServer[];
  readonly security: KafkaSecurity | null;
  /** Ends all of them at once. */
  close(): Promise<void>;
}

export interface TestKafkaOptions {
  /** 1 when left out. With 3 a record is on two of them before it is acknowledged. */
  readonly brokers?: 1 | 3;
  /** Opens the listeners with TLS and passwords besides the plain one. */
  readonly isSecured?: boolean;
  /** Settings of the brokers that differ from the usual ones. */
  readonly settings?: Readonly<Record<string, string>>;
}

let shared: Promise<string> | undefined;

/**
 * The address of one plain broker that other tests use at the same time: topics and groups need names of
 * their own. It is the one that PAYFLOW_TEST_KAFKA_BROKERS names, else one that lives as long as this process.
 */
export async function sharedTestKafka(): Promise<string> {
  const given = process.env.PAYFLOW_TEST_KAFKA_BROKERS;
  if (given !== undefined && given !== "") return given;
  shared ??= testKafka().then(({ brokers }) => {
    // Test files of one process do not share modules, but they share the environment.
    process.env.PAYFLOW_TEST_KAFKA_BROKERS = brokers;
    return brokers;
  });
  return shared;
}

/** Kafka of the caller's own, whose servers may be killed: one takes 3 to 4 seconds to start. */
export async function testKafka(options: TestKafkaOptions = {}): Promise<TestKafka> {
  const { brokers: count = 1, isSecured = false, settings = {} } = options;
  const folder = path.join(temporaryFolder(), `kafka-${randomBytes(4).toString("hex")}`);
  const supervisor = new Supervisor();
  beforeRemoval(() => supervisor.killAll());
  const secured = isSecured
    ? { login: { username: "payflow", password: "payflow_test" }, certificates: makeCertificates(folder) }
    : {};
  const ids = Array.from({ length: count }, (_, index) => index + 1);
  const voters = new Map<number, number>();
  for (const id of ids) voters.set(id, await reservePort());
  const clusterId = randomBytes(16).toString("base64url");
  const locals: LocalKafka[] = [];
  for (const nodeId of ids) {
    const name = `kafka-${nodeId}`;
    const dataDirectory = path.join(folder, name);
    const listeners = await reserveListeners(isSecured);
    const logFile = path.join(folder, `${name}.log`);
    const own = { name, nodeId, dataDirectory, logFile, listeners, clusterId, voters, settings };
    locals.push({ ...own, ...secured, isDurable: false, heapMebibytes: 192, startsLightly: true });
  }
  const servers = locals.map((local) => server(local, supervisor));
  await Promise.all(servers.map((one) => one.start()));
  const at = (listener: KafkaListener) => locals.map((one) => address(one, listener)).join(",");
  const { login, certificates } = secured;
  return {
    brokers: at("PLAIN"),
    servers,
    security:
      login === undefined || certificates === undefined
        ? null
        : {
            tls: at("TLS"),
            mtls: at("MTLS"),
            scramTls: at("SCRAM_TLS"),
            scram: at("SCRAM"),
            login,
            certificates,
          },
    close: async () => {
      await Promise.all(servers.map((one) => one.stop()));
    },
  };
}

async function reserveListeners(isSecured: boolean): Promise<Partial<Record<KafkaListener, number>>> {
  const names: KafkaListener[] = isSecured ? ["PLAIN", "TLS", "MTLS", "SCRAM", "SCRAM_TLS"] : ["PLAIN"];
  const listeners: Partial<Record<KafkaListener, number>> = {};
  for (const name of names) listeners[name] = await reservePort();
  return listeners;
}

function address(local: LocalKafka, listener: KafkaListener): string {
  return `127.0.0.1:${local.listeners[listener]}`;
}

function server(local: LocalKafka, supervisor: Supervisor): TestKafkaServer {
  // Servers that end together would wait for each other's votes; a kill is what their data survive anyway.
  const spec = () => ({ ...kafkaProcess(local), stopSignal: "SIGKILL" as const });
  return {
    nodeId: local.nodeId,
    address: address(local, "PLAIN"),
    get pid() {
      return supervisor.processes().find(({ name }) => name === local.name)?.pid ?? null;
    },
    stop: async (signal) => {
      await supervisor.stop(local.name, signal);
    },
    start: () => supervisor.start(spec()),
  };
}
