import type { Certificates } from "./certificates.ts";

/** How clients may come in: bare, by TLS, by TLS with a certificate of their own, by name and password. */
export type KafkaListener = "PLAIN" | "TLS" | "MTLS" | "SCRAM" | "SCRAM_TLS";

const protocols: Readonly<Record<KafkaListener, string>> = {
  PLAIN: "PLAINTEXT",
  TLS: "SSL",
  MTLS: "SSL",
  SCRAM: "SASL_PLAINTEXT",
  SCRAM_TLS: "SASL_SSL",
};

export interface KafkaLogin {
  readonly username: string;
  readonly password: string;
}

/** One server of a cluster, at once broker and voter of the quorum that keeps the cluster's metadata. */
export interface LocalKafka {
  /** Of the process: `kafka`, or `kafka-2` in a cluster. */
  readonly name: string;
  readonly nodeId: number;
  readonly dataDirectory: string;
  readonly logFile: string;
  /** 16 bytes in base64url, the same for all servers of a cluster; made by chance when left out. */
  readonly clusterId?: string;
  readonly listeners: Readonly<Partial<Record<KafkaListener, number>>>;
  /** Every server of the cluster by its id, with the port that its quorum meets at. */
  readonly voters: ReadonlyMap<number, number>;
  /** Whom the listeners with passwords let in; without PLAIN the cluster's own traffic needs it too. */
  readonly login?: KafkaLogin;
  readonly certificates?: Certificates;
  readonly heapMebibytes?: number;
  /** For tests: compiled less thoroughly, it starts with three fifths of the work and then carries less. */
  readonly startsLightly?: boolean;
  /** False where only processes die and never the power: then nothing waits for the disk. */
  readonly isDurable?: boolean;
  /** Settings of the broker that differ from those below. */
  readonly settings?: Readonly<Record<string, string>>;
}

const mechanism = "SCRAM-SHA-512";

/** The text of `server.properties`. It holds the password, where there is one. */
export function brokerProperties(local: LocalKafka): string {
  const settings = {
    ...smallSettings,
    ...replication(local.voters.size),
    ...addresses(local),
    ...security(local),
    // One broker has no others to remember what its disk has not got yet.
    ...(local.isDurable === false ? {} : { "log.flush.interval.messages": "1" }),
    ...local.settings,
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value.replaceAll("\\", "\\\\")}\n`)
    .join("");
}

/** Sized for two cores; a server that was killed is taken back, or taken for dead, within seconds. */
const smallSettings: Readonly<Record<string, string>> = {
  "process.roles": "broker,controller",
  "controller.listener.names": "CONTROLLER",
  "auto.create.topics.enable": "false",
  "num.network.threads": "2",
  "num.io.threads": "4",
  "num.recovery.threads.per.data.dir": "1",
  "background.threads": "2",
  "log.cleaner.dedupe.buffer.size": `${16 * 1024 * 1024}`,
  "log.segment.bytes": `${128 * 1024 * 1024}`,
  "log.index.size.max.bytes": `${1024 * 1024}`,
  "broker.heartbeat.interval.ms": "500",
  "broker.session.timeout.ms": "3000",
  "group.initial.rebalance.delay.ms": "0",
  "group.min.session.timeout.ms": "1000",
  "group.consumer.min.session.timeout.ms": "1000",
  "group.consumer.session.timeout.ms": "6000",
  "group.consumer.min.heartbeat.interval.ms": "500",
  "group.consumer.heartbeat.interval.ms": "1000",
  "offsets.topic.num.partitions": "8",
  "transaction.state.log.num.partitions": "4",
  "share.coordinator.state.topic.num.partitions": "2",
};

/** In a cluster every record is on two servers before it is acknowledged, and one server may be away. */
function replication(servers: number): Record<string, string> {
  const copies = `${Math.min(servers, 3)}`;
  const inSync = servers >= 3 ? "2" : "1";
  return {
    "default.replication.factor": copies,
    "min.insync.replicas": inSync,
    "offsets.topic.replication.factor": copies,
    "transaction.state.log.replication.factor": copies,
    "transaction.state.log.min.isr": inSync,
    "share.coordinator.state.topic.replication.factor": copies,
    "share.coordinator.state.topic.min.isr": inSync,
  };
}

function addresses(local: LocalKafka): Record<string, string> {
  const { listeners, nodeId, voters, dataDirectory } = local;
  const at = (name: string, port: number | undefined) => `${name}://127.0.0.1:${port}`;
  const open = Object.entries(listeners).map(([name, port]) => at(name, port));
  const quorum = [...voters].map(([id, port]) => `${id}@127.0.0.1:${port}`);
  const map = [
    ...Object.entries(protocols).map(([name, protocol]) => `${name}:${protocol}`),
    `CONTROLLER:${isClosed(local) ? "SASL_PLAINTEXT" : "PLAINTEXT"}`,
  ];
  return {
    "node.id": `${nodeId}`,
    "controller.quorum.voters": quorum.join(","),
    listeners: [...open, at("CONTROLLER", voters.get(nodeId))].join(","),
    "advertised.listeners": open.join(","),
    "listener.security.protocol.map": map.join(","),
    "inter.broker.listener.name": isClosed(local) ? "SCRAM" : "PLAIN",
    "log.dirs": `${dataDirectory}/data`,
  };
}

/** Whether nobody comes in without a password, another broker or the quorum included. */
const isClosed = ({ listeners }: LocalKafka) => listeners.PLAIN === undefined;

function security(local: LocalKafka): Record<string, string> {
  return { ...encryption(local), ...passwords(local) };
}

function encryption({ certificates }: LocalKafka): Record<string, string> {
  if (certificates === undefined) return {};
  return {
    "ssl.keystore.type": "PEM",
    "ssl.keystore.location": certificates.broker,
    "ssl.truststore.type": "PEM",
    "ssl.truststore.location": certificates.authority,
    "listener.name.mtls.ssl.client.auth": "required",
  };
}

function passwords(local: LocalKafka): Record<string, string> {
  const { login } = local;
  if (login === undefined) return {};
  const scram = "org.apache.kafka.common.security.scram.ScramLoginModule required";
  const plain = "org.apache.kafka.common.security.plain.PlainLoginModule required";
  const known = `user_${login.username}="${login.password}"`;
  const identity = `username="${login.username}" password="${login.password}"`;
  return {
    "sasl.enabled.mechanisms": mechanism,
    "listener.name.scram.scram-sha-512.sasl.jaas.config": `${scram} ${identity};`,
    "listener.name.scram_tls.scram-sha-512.sasl.jaas.config": `${scram};`,
    ...(isClosed(local)
      ? {
          "sasl.mechanism.inter.broker.protocol": mechanism,
          // The quorum keeps the users of SCRAM itself, and so cannot ask for one before it stands.
          "sasl.mechanism.controller.protocol": "PLAIN",
          "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
          "listener.name.controller.plain.sasl.jaas.config": `${plain} ${identity} ${known};`,
        }
      : {}),
  };
}

/** What the storage tool is told of a user of the new cluster. */
export function scramUser({ username, password }: KafkaLogin): string {
  return `${mechanism}=[name=${username},password=${password}]`;
}
