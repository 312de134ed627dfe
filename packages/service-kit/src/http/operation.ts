import { type ErrorCodeName, errorCodes } from "@payflow/contracts/errors.ts";
import type { TSchema } from "@sinclair/typebox";
import type { DocumentDecoration } from "elysia";

export interface Operation {
  readonly summary: string;
  readonly description?: string;
  /** The answers that are not problems, by status; a schema's description says what the status means here. */
  readonly responses: Readonly<Record<number, TSchema | null>>;
  /** The codes this route answers besides those every route may. */
  readonly problems?: readonly ErrorCodeName[];
  /** By media type, for a direct route, whose body the framework does not see. */
  readonly bodies?: Readonly<Record<string, TSchema>>;
  /** Whether the route demands an `Idempotency-Key`. */
  readonly isIdempotent?: boolean;
}

/** What a route says of itself in the OpenAPI document. */
export function operation(of: Operation): DocumentDecoration {
  const responses: Record<string, object> = {};
  for (const [status, schema] of Object.entries(of.responses)) {
    responses[status] = {
      description: schema?.description ?? statusText(Number(status)),
      ...(schema === null ? {} : { content: { "application/json": { schema } } }),
    };
  }
  for (const code of of.problems ?? []) addProblem(responses, code);
  return {
    summary: of.summary,
    ...(of.description === undefined ? {} : { description: of.description }),
    ...(of.bodies === undefined ? {} : { requestBody: requestBody(of.bodies) }),
    ...(of.isIdempotent === true ? { parameters: [idempotencyKeyParameter] } : {}),
    // The entries are OpenAPI responses; the library's type also wants what it would never read.
    responses: responses as NonNullable<DocumentDecoration["responses"]>,
  };
}

function requestBody(bodies: Readonly<Record<string, TSchema>>) {
  const content = Object.entries(bodies).map(([type, schema]) => [type, { schema }]);
  // The entries are OpenAPI media types; the library's type also wants what it would never read.
  return { required: true, content: Object.fromEntries(content) } as NonNullable<
    DocumentDecoration["requestBody"]
  >;
}

const idempotencyKeyParameter = {
  name: "Idempotency-Key",
  in: "header" as const,
  required: true,
  description: "A new value for each new intention; the same value repeats the first answer.",
  schema: { type: "string" as const, minLength: 1, maxLength: 255, pattern: "^[!-~]+$" },
};

/** Adds a code to the answers of an operation; codes of one status share an entry. */
export function addProblem(responses: Record<string, object>, code: ErrorCodeName): void {
  const { status, title } = errorCodes[code];
  const known = responses[status];
  if (known === undefined) {
    responses[status] = {
      description: `\`${code}\`: ${title}`,
      content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
    };
  } else if ("description" in known && !String(known.description).includes(`\`${code}\``)) {
    responses[status] = {
      ...known,
      description: `${known.description}; \`${code}\`: ${title}`,
      content: {
        ...("content" in known ? (known.content as object) : {}),
        "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } },
      },
    };
  }
}

function statusText(status: number): string {
  const texts: Record<number, string> = {
    200: "Done",
    201: "Made",
    202: "Accepted, not finished yet",
    204: "Done",
  };
  return texts[status] ?? "The result";
}
