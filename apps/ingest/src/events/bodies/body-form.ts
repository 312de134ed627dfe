import { DomainError } from "@payflow/contracts/errors.ts";

/** How a body holds its events: one or a list of them, plain or in CloudEvents. */
export type Format = "json" | "ndjson" | "cloud-event" | "cloud-event-batch" | "binary-cloud-event";
export type Encoding = "identity" | "gzip" | "zstd";

export interface BodyForm {
  readonly format: Format;
  readonly encoding: Encoding;
}

const formats = new Map<string, Format>([
  ["application/json", "json"],
  ["application/x-ndjson", "ndjson"],
  ["application/cloudevents+json", "cloud-event"],
  ["application/cloudevents-batch+json", "cloud-event-batch"],
]);

const encodings = new Map<string, Encoding>([
  ["", "identity"],
  ["identity", "identity"],
  ["gzip", "gzip"],
  // RFC 9110, 8.4.1.3: another name of the same.
  ["x-gzip", "gzip"],
  ["zstd", "zstd"],
]);

/** What nearly all bodies are. */
const usual: BodyForm = { format: "json", encoding: "identity" };

const parameters = /\s*;\s*charset\s*=\s*"?utf-8"?\s*;?\s*$/i;

/**
 * What a body is, by its request's headers. Throws `unsupported_media_type` for a format that the route does
 * not take, another charset than UTF-8, and any encoding but gzip and zstd.
 */
export function bodyForm(headers: Headers, taken: readonly Format[]): BodyForm {
  const type = headers.get("content-type") ?? "";
  const known = formats.get(type) ?? formats.get(type.replace(parameters, "").trim().toLowerCase());
  // CloudEvents 1.0.2, HTTP binding, 3: what has another type is in binary mode, its attributes in headers.
  const isBinary = known === "json" && headers.has("ce-specversion");
  const format = isBinary ? "binary-cloud-event" : known;
  if (format === undefined || !taken.includes(format)) {
    const named = [...formats].filter(([, one]) => taken.includes(one));
    throw new DomainError(
      "unsupported_media_type",
      `Send Content-Type: ${named.map(([name]) => name).join(" or ")}, in UTF-8.`,
    );
  }
  const coding = headers.get("content-encoding");
  if (coding === null && format === "json") return usual;
  const encoding = encodings.get(coding?.trim().toLowerCase() ?? "");
  if (encoding === undefined) {
    throw new DomainError("unsupported_media_type", "Send Content-Encoding: gzip or zstd, or none.", {
      // RFC 9110, 15.5.16.
      headers: { "accept-encoding": "gzip, zstd" },
    });
  }
  return { format, encoding };
}
