import pino, { type Logger } from "pino";
import { withoutSecrets } from "./secrets-in-text.ts";

export type { Logger };

/** Object paths whose values never reach a log line, whatever is logged. */
const redacted = [
  "api_key",
  "test_api_key",
  "signing_secret",
  "x-api-key",
  "authorization",
  "password",
  "secret",
  "token",
];

export interface LoggerOptions {
  /** Values that are cut out of every line, wherever they stand: the process's own secrets. */
  readonly secrets?: readonly string[];
  /** Where lines go; standard output when left out. */
  readonly write?: (line: string) => void;
}

/**
 * JSON lines on stdout with service name and RFC 3339 times. Keys, secrets and card numbers are censored by
 * name, and once more in the finished line, since a dependency's message may quote what a caller sent.
 */
export function createLogger(service: string, level = "info", options: LoggerOptions = {}): Logger {
  const write = options.write ?? standardOutput();
  return pino(
    {
      level,
      base: { service },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: {
        paths: redacted.flatMap((name) => [`["${name}"]`, `*["${name}"]`]),
        censor: "[secret]",
      },
      serializers: { err: describeError, error: describeError },
    },
    { write: (line: string) => write(withoutSecrets(line, options.secrets)) },
  );
}

/** Lines that wait while they cannot be written, in characters; newer ones are dropped beyond it. */
const maxUnwritten = 1 << 20;

function standardOutput(): (line: string) => void {
  const destination = pino.destination({ dest: 1, sync: true, maxLength: maxUnwritten });
  // On a full disk a line waits for the next one's turn; with no listener the failure would end the process.
  destination.on("error", () => {});
  return (line) => {
    destination.write(line);
  };
}

/** What of an error is logged besides its name, message and stack. */
const toldFields = [
  "code",
  "reason",
  "detail",
  "severity_local",
  "schema_name",
  "table_name",
  "column_name",
  "constraint_name",
  "routine",
  "errno",
  "syscall",
  "address",
  "port",
];
const maxCauses = 4;

/**
 * An error as it stands in a log line. Only known fields are taken: drivers hang the row that was refused, or
 * a whole command with its arguments, on their errors, and these hold what callers sent.
 */
function describeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return error;
  // Read field by field; which of them an error has is its driver's business.
  const fields = error as unknown as Readonly<Record<string, unknown>>;
  const told = toldFields.filter((name) => name !== "detail" || "reason" in error);
  const causes = depth < maxCauses && error.cause !== undefined;
  return {
    type: error.name,
    message: error.message,
    stack: error.stack,
    ...Object.fromEntries(told.filter((name) => name in fields).map((name) => [name, fields[name]])),
    ...(causes ? { cause: describeError(error.cause, depth + 1) } : {}),
  };
}
