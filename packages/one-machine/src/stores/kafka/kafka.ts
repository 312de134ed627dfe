import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import type { ProcessSpec } from "../../processes/child.ts";
import { javaBinary } from "./java.ts";
import { kafkaLibraries } from "./libraries.ts";
import { brokerProperties, type LocalKafka, scramUser } from "./settings.ts";

/**
 * How one server of Kafka is run. Makes its data folder when there is none yet, and writes its configuration,
 * which may hold a password. Fetches Kafka at the first use.
 */
export function kafkaProcess(local: LocalKafka): ProcessSpec {
  const { dataDirectory, logFile, heapMebibytes = 256 } = local;
  mkdirSync(dataDirectory, { recursive: true, mode: 0o700 });
  const configFile = path.join(dataDirectory, "server.properties");
  const temporary = path.join(dataDirectory, "temporary");
  writeFileSync(configFile, brokerProperties(local), { mode: 0o600 });
  formatKafka(local, configFile);
  // Counted from where its log ended before: a line of an earlier start says nothing of this one.
  let logStart = 0;
  return {
    name: local.name,
    command: [
      javaBinary(),
      ...["-Xms64m", `-Xmx${heapMebibytes}m`, "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError"],
      ...(local.startsLightly ? ["-XX:TieredStopAtLevel=1"] : []),
      ...loggingOptions,
      `-Djava.io.tmpdir=${temporary}`,
      ...["-cp", path.join(kafkaLibraries(), "*"), "kafka.Kafka", configFile],
    ],
    env: { LC_ALL: "C", TZ: "UTC" },
    cwd: dataDirectory,
    logFile,
    user: null,
    stopSignal: "SIGTERM",
    stopTimeoutMs: 20_000,
    beforeStart: () => {
      // Libraries are unpacked there at each start, and a broker that is killed leaves them.
      rmSync(temporary, { recursive: true, force: true });
      mkdirSync(temporary, { mode: 0o700 });
      logStart = existsSync(logFile) ? statSync(logFile).size : 0;
    },
    // An open port comes earlier than a broker that the quorum has let in, and that topics can be made on.
    isReady: async () => textFrom(logFile, logStart).includes("Kafka Server started"),
  };
}

const loggingOptions = [
  "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
  "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
  "-Dorg.slf4j.simpleLogger.showDateTime=true",
  "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSX",
];

/** Gives the data folder the cluster's id and first users. What was interrupted is begun again. */
function formatKafka(local: LocalKafka, configFile: string): void {
  const { dataDirectory, clusterId = randomBytes(16).toString("base64url"), login } = local;
  const isFormatted = path.join(dataDirectory, "formatted");
  if (existsSync(isFormatted)) return;
  rmSync(path.join(dataDirectory, "data"), { recursive: true, force: true });
  const argumentFile = path.join(dataDirectory, "format.arguments");
  const words = [
    ...["-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"],
    ...["-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", path.join(kafkaLibraries(), "*")],
    ...["kafka.tools.StorageTool", "format", `--cluster-id=${clusterId}`, "--config", configFile],
    ...(login === undefined ? [] : ["--add-scram", scramUser(login)]),
  ];
  // From a file, since a password among the arguments would show in `ps`.
  writeFileSync(argumentFile, words.map((word) => JSON.stringify(word)).join("\n"), { mode: 0o600 });
  try {
    const made = spawnSync(javaBinary(), [`@${argumentFile}`], { cwd: dataDirectory });
    if (made.status !== 0)
      throw new Error(`Kafka's storage could not be made:\n${made.stdout}${made.stderr}`);
  } finally {
    rmSync(argumentFile, { force: true });
  }
  writeFileSync(isFormatted, "");
}

/** What a file holds behind a position. */
function textFrom(file: string, position: number): string {
  const descriptor = openSync(file, "r");
  try {
    const bytes = Buffer.alloc(Math.max(fstatSync(descriptor).size - position, 0));
    readSync(descriptor, bytes, 0, bytes.length, position);
    return bytes.toString("utf8");
  } finally {
    closeSync(descriptor);
  }
}
