import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { Admin, AuthenticationError, type BaseOptions, Producer } from "@platformatic/kafka";
import { ConfigError } from "../../process/config.ts";

/** Where Kafka is and how to come in; the settings of the same names. */
export interface KafkaAddress {
  /** By comma. */
  readonly KAFKA_BROKERS?: string | undefined;
  readonly KAFKA_TLS: boolean;
  readonly KAFKA_TLS_CA_FILE?: string | undefined;
  readonly KAFKA_TLS_CERT_FILE?: string | undefined;
  readonly KAFKA_TLS_KEY_FILE?: string | undefined;
  readonly KAFKA_SASL_MECHANISM?: "scram-sha-256" | "scram-sha-512" | "plain" | undefined;
  readonly KAFKA_SASL_USERNAME?: string | undefined;
  readonly KAFKA_SASL_PASSWORD?: string | undefined;
}

/** How long a connection may take to come about, in milliseconds. */
export const connectMs = 3_000;

const saslNames = {
  "scram-sha-256": "SCRAM-SHA-256",
  "scram-sha-512": "SCRAM-SHA-512",
  plain: "PLAIN",
} as const;

/** Where Kafka is, with what the files hold. */
export interface KafkaConnection {
  /** `host:port` each. */
  readonly brokers: readonly string[];
  /** Shown by the brokers. */
  readonly name: string;
  /** Texts in PEM form; null for no TLS. */
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string } | null;
  readonly login: {
    readonly mechanism: keyof typeof saslNames;
    readonly username: string;
    readonly password: string;
  } | null;
}

/** What every connection to Kafka has in common. */
export function connectionOptions({ brokers, name, tls, login }: KafkaConnection): BaseOptions {
  return {
    clientId: name,
    bootstrapBrokers: [...brokers],
    connectTimeout: connectMs,
    // What is sent again is sent by whoever asked for it, who knows what else has changed.
    retries: 0,
    // The name that a proxy in front of several brokers goes by; an address is no name.
    ...(tls === null ? {} : { tls, tlsServerName: !brokers.some(isAddress) }),
    ...(login === null ? {} : { sasl: { ...login, mechanism: saslNames[login.mechanism] } }),
  };
}

/** The same from a service's settings. Throws `ConfigError` with every problem named. */
export function clientOptions(address: KafkaAddress, service: string): BaseOptions {
  const problems: string[] = [];
  const brokers = (address.KAFKA_BROKERS ?? "").split(",").map((broker) => broker.trim());
  if (brokers.includes("")) problems.push("KAFKA_BROKERS is missing: host:port of each broker, by comma");
  const tls = readTls(address, problems);
  const login = readLogin(address, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  return connectionOptions({ brokers, name: `payflow-${service}`, tls, login });
}

const isAddress = (broker: string) => isIP(broker.slice(0, broker.lastIndexOf(":"))) !== 0;

function readTls(address: KafkaAddress, problems: string[]): KafkaConnection["tls"] {
  const files = {
    ca: ["KAFKA_TLS_CA_FILE", address.KAFKA_TLS_CA_FILE],
    cert: ["KAFKA_TLS_CERT_FILE", address.KAFKA_TLS_CERT_FILE],
    key: ["KAFKA_TLS_KEY_FILE", address.KAFKA_TLS_KEY_FILE],
  } as const;
  if ((files.cert[1] === undefined) !== (files.key[1] === undefined)) {
    problems.push("KAFKA_TLS_CERT_FILE and KAFKA_TLS_KEY_FILE belong together: set both or neither");
  }
  const tls: { ca?: string; cert?: string; key?: string } = {};
  for (const name of ["ca", "cert", "key"] as const) {
    const [setting, file] = files[name];
    if (file === undefined) continue;
    try {
      tls[name] = readFileSync(file, "utf8");
    } catch (error) {
      problems.push(`${setting}: ${error instanceof Error ? error.message : error}`);
    }
  }
  return address.KAFKA_TLS || Object.keys(tls).length > 0 ? tls : null;
}

function readLogin(address: KafkaAddress, problems: string[]): KafkaConnection["login"] {
  const { KAFKA_SASL_USERNAME: username, KAFKA_SASL_PASSWORD: password } = address;
  const mechanism = address.KAFKA_SASL_MECHANISM;
  if (mechanism === undefined) {
    if (username === undefined && password === undefined) return null;
    problems.push("KAFKA_SASL_MECHANISM is missing, though a user or a password for Kafka is given");
    return null;
  }
  if (username === undefined) problems.push(`KAFKA_SASL_USERNAME is missing: ${mechanism} needs it`);
  if (password === undefined) problems.push(`KAFKA_SASL_PASSWORD is missing: ${mechanism} needs it`);
  return { mechanism, username: username ?? "", password: password ?? "" };
}

/**
 * What is wrong with the settings when Kafka, or this side, refuses the other before the first request; null
 * for any other error.
 */
export function refusedLogin(error: unknown): ConfigError | null {
  const causes = causesOf(error);
  if (causes.some((cause) => cause instanceof AuthenticationError)) {
    return new ConfigError(["KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD: Kafka refuses this login"]);
  }
  const reason = causes.find((cause) => /certificate|TLS|SSL/i.test(cause.message));
  return reason === undefined ? null : new ConfigError([`KAFKA_TLS and its files: ${reason.message}`]);
}

/**
 * What may be wrong when Kafka is away from the first connection on. Bun hands on no word of a broker that
 * misses a client's certificate: the connection is closed, as by one that is about to end.
 */
export function awayWords(error: unknown, { tls }: BaseOptions): string {
  const isClosed = causesOf(error).some(({ message }) => message === "Connection closed");
  const hasCertificate = tls !== undefined && "cert" in tls;
  if (!isClosed || tls === undefined || hasCertificate) return "Kafka is away";
  return (
    "Kafka closes every connection: where it asks for a client's certificate, set KAFKA_TLS_CERT_FILE and " +
    "KAFKA_TLS_KEY_FILE"
  );
}

/** An error, those it gathers and their causes. */
function causesOf(error: unknown): Error[] {
  if (!(error instanceof Error)) return [];
  const gathered: unknown[] = error instanceof AggregateError ? error.errors : [];
  return [error, ...gathered.flatMap(causesOf), ...causesOf(error.cause)];
}

/** A client for everything but sending. One that is to wait in a request needs to be a caller's own. */
export function connectAdmin(options: BaseOptions, requestTimeoutMs: number): Admin {
  return guarded(new Admin({ ...options, requestTimeout: requestTimeoutMs }));
}

/**
 * A connection may tell of a second error when nobody listens any more, which would end the process. Whoever
 * waits for the connection has heard the first.
 */
function guarded<Client extends Pick<Admin, "connections">>(client: Client): Client {
  client.connections.on("connecting", ({ connection }) => connection.on("error", () => {}));
  return client;
}

/**
 * A producer whose records are on all in-sync replicas before they are acknowledged, and which Kafka stores
 * once although the client had to send them again.
 */
export function connectProducer(options: BaseOptions): Producer<string, string, string, string> {
  const asBytes = (text?: string) => (text === undefined ? undefined : Buffer.from(text));
  const producer = new Producer<string, string, string, string>({
    ...options,
    idempotent: true,
    acks: -1,
    compression: "lz4",
    retries: 2,
    retryDelay: 100,
    repeatOnStaleMetadata: true,
    requestTimeout: 5_000,
    serializers: { key: asBytes, value: asBytes, headerKey: asBytes, headerValue: asBytes },
  });
  return guarded(producer);
}
