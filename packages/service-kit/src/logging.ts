import pino, { type Logger } from "pino";

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

/** JSON lines on stdout with service name and RFC 3339 times. Keys, secrets and card data are censored by name. */
export function createLogger(service: string, level = "info"): Logger {
  return pino({
    level,
    base: { service },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: {
      paths: redacted.flatMap((name) => [`["${name}"]`, `*["${name}"]`]),
      censor: "[secret]",
    },
    serializers: { err: pino.stdSerializers.err, error: pino.stdSerializers.err },
  });
}
