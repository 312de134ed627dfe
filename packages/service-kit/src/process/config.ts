import { apps } from "@payflow/contracts/events.ts";
import { type Static, type TObject, type TSchema, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";

/** Every problem of a configuration at once, one sentence a setting. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(
      `The configuration has ${problems.length} problem(s):\n${problems.map((line) => `  - ${line}`).join("\n")}`,
    );
    this.name = "ConfigError";
    this.problems = problems;
  }
}

interface SettingOptions {
  /** Left out of `.env.example` values and never printed. */
  readonly secret?: boolean;
  readonly minLength?: number;
  readonly pattern?: string;
}

/** Settings of which each is needed where another has a certain value. */
type NeededWith = Readonly<Record<string, string>>;

/** Builders for one environment variable each: description, default, and how its text is read. */
export const setting = {
  text: (description: string, fallback?: string, options: SettingOptions = {}) =>
    Type.String({ minLength: 1, description, ...withDefault(fallback), ...options }),
  secret: (description: string, minLength = 16) => Type.String({ minLength, description, secret: true }),
  /** The base URL of another service. */
  url: (description: string, fallback?: string) =>
    Type.String({ ...urlOf("http", "https"), description, ...withDefault(fallback) }),
  postgresUrl: (description: string) =>
    Type.String({ ...urlOf("postgres", "postgresql"), description, secret: true }),
  redisUrl: (description: string) => Type.String({ ...urlOf("redis", "rediss"), description, secret: true }),
  integer: (description: string, fallback?: number, range: { minimum?: number; maximum?: number } = {}) =>
    Type.Integer({ description, minimum: 0, ...range, ...withDefault(fallback) }),
  milliseconds: (description: string, fallback?: number, minimum = 1) =>
    Type.Integer({ description: `${description} In milliseconds.`, minimum, ...withDefault(fallback) }),
  flag: (description: string, fallback?: boolean) => Type.Boolean({ description, ...withDefault(fallback) }),
  choice: <const T extends readonly string[]>(choices: T, description: string, fallback?: T[number]) =>
    Type.Union(
      // Mapping a tuple loses its words; each is one of T.
      choices.map((choice) => Type.Literal(choice as T[number])),
      { description: `${description} One of ${choices.join(", ")}.`, ...withDefault(fallback) },
    ),
  optional: <T extends TSchema>(schema: T) => Type.Optional(schema),
  neededWith: <T extends TSchema>(neededWith: NeededWith, schema: T) =>
    Type.Optional({ ...schema, neededWith }),
};

/** A URL for the wrong kind of server is found here, and not by a service that never gets ready. */
function urlOf(...schemes: readonly [string, ...string[]]) {
  return { pattern: `^(${schemes.join("|")})://[^/?#\\s]+\\S*$`, scheme: schemes[0] };
}

function withDefault<T>(fallback: T | undefined): { default?: T } {
  return fallback === undefined ? {} : { default: fallback };
}

/** What every process of ours reads from its environment. */
export const processSettings = {
  HOST: setting.text("The address to listen on.", "127.0.0.1"),
  LOG_LEVEL: setting.choice(
    ["trace", "debug", "info", "warn", "error", "silent"],
    "How much is logged.",
    "info",
  ),
  OTEL_EXPORTER_OTLP_ENDPOINT: setting.optional(
    setting.url("Where spans are sent by OTLP over HTTP; none when left out."),
  ),
};

/** What every service with an API of its own reads. */
export const serviceSettings = {
  ...processSettings,
  PORT: setting.integer("The public port.", undefined, { minimum: 1, maximum: 65_535 }),
  INTERNAL_PORT: setting.optional(
    setting.integer("The internal port; the public port plus 1000 when left out.", undefined, {
      minimum: 1,
      maximum: 65_535,
    }),
  ),
  REPLICA_PORT: setting.optional(
    setting.integer(
      "Serves the internal routes for this replica alone, where replicas share their ports on one machine.",
      undefined,
      { minimum: 1, maximum: 65_535 },
    ),
  ),
  REDIS_URL: setting.redisUrl("The cache Redis."),
  INTERNAL_SERVICE_SECRET: setting.secret(
    "Shared by this installation's services; the value of x-internal-token.",
    32,
  ),
  ADMIN_TOKEN: setting.secret("The platform owner's bearer token.", 32),
  TENANT_SERVICE_URL: setting.url("The tenant app's internal base URL.", "http://127.0.0.1:4003"),
};

/** What services with a database of their own read besides. */
export const databaseSettings = {
  DATABASE_URL: setting.postgresUrl("PostgreSQL, as the service's own role."),
  DATABASE_POOL: setting.integer("Connections to PostgreSQL at most.", 8, { minimum: 2, maximum: 200 }),
};

/** What services read that begin what others only follow: what they begin is bounded by their outbox. */
export const outboxSettings = {
  OUTBOX_MAX_EVENTS: setting.integer(
    "Events that may wait for the bus; beyond, new payments and refunds are refused. A million takes about 1 GB.",
    2_000_000,
    { minimum: 1 },
  ),
};

/** What services on the event bus read besides. */
export const busSettings = {
  EVENT_BUS: setting.choice(["redis", "kafka"], "Which event bus this installation uses.", "redis"),
  DURABLE_REDIS_URL: setting.neededWith(
    { EVENT_BUS: "redis" },
    setting.redisUrl("The durable Redis, which carries the bus; needed where EVENT_BUS is redis."),
  ),
  INSTALLED_APPS: setting.text(
    "The apps of this installation, by comma; their consumer groups are declared on the bus.",
    "tenant,payment,fraud,ledger,notifier,ingest",
    { pattern: `^ *(${apps.join("|")}) *(, *(${apps.join("|")}) *)*$` },
  ),
  ...kafkaSettings(),
};

function kafkaSettings() {
  const file = (what: string) => setting.optional(setting.text(`${what} A file in PEM form.`));
  return {
    KAFKA_BROKERS: setting.neededWith(
      { EVENT_BUS: "kafka" },
      setting.text("Kafka's brokers, as host:port by comma; needed where EVENT_BUS is kafka.", undefined, {
        pattern: "^[^\\s,:]+:\\d{1,5}( *, *[^\\s,:]+:\\d{1,5})*$",
      }),
    ),
    KAFKA_TLS: setting.flag("Whether Kafka is reached by TLS; the files below imply it.", false),
    KAFKA_TLS_CA_FILE: file("The authority of Kafka's certificates; the system's own when left out."),
    KAFKA_TLS_CERT_FILE: file("This service's certificate, where Kafka asks for one."),
    KAFKA_TLS_KEY_FILE: file("The key of that certificate."),
    KAFKA_SASL_MECHANISM: setting.optional(
      setting.choice(
        ["scram-sha-512", "scram-sha-256", "plain"],
        "How to log in to Kafka; not at all when left out.",
      ),
    ),
    KAFKA_SASL_USERNAME: setting.optional(setting.text("The user to log in as.")),
    KAFKA_SASL_PASSWORD: setting.optional(setting.secret("The user's password.", 1)),
    KAFKA_PREFIX: setting.optional(
      setting.text("Begins the names of all topics and groups, where installations share Kafka.", undefined, {
        pattern: "^[A-Za-z0-9._-]{1,100}$",
      }),
    ),
    KAFKA_PARTITIONS: setting.integer("Partitions of a topic that is made; later it stays as it is.", 12, {
      minimum: 1,
      maximum: 1_000,
    }),
    KAFKA_REPLICATION: setting.integer(
      "Copies of each event. With 3, a lost broker loses nothing; 1 is for a single broker.",
      3,
      { minimum: 1, maximum: 9 },
    ),
    KAFKA_RETENTION_HOURS: setting.integer(
      "How long topics keep events: longer than any consumer may be down.",
      168,
      { minimum: 1, maximum: 24 * 3_660 },
    ),
    KAFKA_SESSION_TIMEOUT_MS: setting.milliseconds(
      "After so long without a sign of life a replica's partitions go to others; Kafka's own least is 6000.",
      6_000,
      1_000,
    ),
  };
}

/**
 * Reads a service's settings from its environment: an empty variable counts as left out, texts become numbers
 * and flags, defaults are filled in. Throws `ConfigError` with every problem at once.
 */
export function loadConfig<T extends TObject>(
  settings: T,
  env: Readonly<Record<string, string | undefined>>,
): Static<T> {
  const values: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const [name, schema] of Object.entries(settings.properties)) {
    const raw = env[name]?.trim();
    if (raw === undefined || raw === "") {
      if (schema.default !== undefined) values[name] = schema.default;
      else if (settings.required?.includes(name)) problems.push(`${name} is missing: ${schema.description}`);
      continue;
    }
    const value = readValue(schema, raw);
    if (Value.Check(schema, value)) values[name] = value;
    else problems.push(`${name} ${expectation(schema)}: ${schema.description}`);
  }
  for (const [name, schema] of Object.entries(settings.properties)) {
    const needs: NeededWith = schema.neededWith ?? {};
    const isNeeded = Object.entries(needs).some(([other, value]) => values[other] === value);
    const isGiven = (env[name]?.trim() ?? "") !== "";
    if (isNeeded && !isGiven) problems.push(`${name} is missing: ${schema.description}`);
  }
  if (problems.length > 0) throw new ConfigError(problems);
  // Every property was checked against its own schema just above.
  return values as Static<T>;
}

/** The secrets among a service's settings, and the passwords of its URLs: what no log line may show. */
export function secretValues(settings: TObject, config: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(settings.properties).flatMap(([name, schema]) => {
    const value = config[name];
    if (schema.secret !== true || typeof value !== "string") return [];
    const parts = schema.scheme === undefined ? value.split(/[,:]/) : passwordOf(value);
    return parts.filter((part) => part.length >= leastSecret);
  });
}

/** A shorter one would be found in words that are no secret. */
const leastSecret = 8;

function passwordOf(url: string): string[] {
  const password = URL.canParse(url) ? new URL(url).password : "";
  return password === "" ? [] : [password, decodeURIComponent(password)];
}

function readValue(schema: TSchema, raw: string): unknown {
  if (schema.type === "integer") return /^-?\d{1,15}$/.test(raw) ? Number(raw) : raw;
  if (schema.type === "boolean") return raw === "true" ? true : raw === "false" ? false : raw;
  return raw;
}

function expectation(schema: TSchema): string {
  if (schema.type === "integer") return `must be a whole number of at least ${schema.minimum ?? 0}`;
  if (schema.type === "boolean") return "must be true or false";
  if (schema.anyOf !== undefined)
    return `must be one of ${schema.anyOf.map((one: TSchema) => one.const).join(", ")}`;
  if (schema.scheme !== undefined) return `must be a URL that begins with ${schema.scheme}://`;
  if (schema.minLength !== undefined && schema.minLength > 1)
    return `must have at least ${schema.minLength} characters`;
  return "has the wrong form";
}
