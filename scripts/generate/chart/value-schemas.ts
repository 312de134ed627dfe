import { type TProperties, Type } from "@sinclair/typebox";

/** An object that knows no other fields. All may be left out: values.yaml has them. */
export const closed = (properties: TProperties, description?: string) =>
  Type.Partial(Type.Object(properties), {
    additionalProperties: false,
    ...(description === undefined ? {} : { description }),
  });

export const flag = (description: string) => Type.Boolean({ description });

export const text = (description: string, pattern?: string) =>
  Type.String({ description, ...(pattern === undefined ? {} : { pattern }) });

/** The name of a Kubernetes object; empty for none. */
export const name = (description: string) =>
  Type.String({ description, pattern: "^([a-z0-9]([a-z0-9.-]*[a-z0-9])?)?$", maxLength: 253 });

export const count = (description: string, range: { minimum?: number; maximum?: number } = {}) =>
  Type.Integer({ description, ...range });

/** The API server takes any spelling of a number; ours is one of these. */
export const quantity = (description: string) =>
  Type.Union([Type.Number({ minimum: 0 }), Type.String({ pattern: "^[0-9]+(\\.[0-9]+)?(m|k|[KMGT]i?)?$" })], {
    description,
  });

/** Texts by names, as labels and annotations are. */
export const map = (description: string) =>
  Type.Unsafe<Record<string, string>>({
    ...{ type: "object", description, additionalProperties: { type: "string" } },
  });

const chartsLabels =
  "app\\.kubernetes\\.io/(name|instance|component|part-of|version|managed-by)|helm\\.sh/chart";

/** Labels, but for those by which the chart finds its own. */
export const labels = (description: string) =>
  Type.Unsafe<Record<string, string>>({
    ...{ type: "object", description },
    propertyNames: { not: { pattern: `^(${chartsLabels})$` } },
    additionalProperties: {
      type: "string",
      pattern: "^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$",
    },
  });

/** Words, where TypeBox's own unions would be read as alternatives of schemas. */
export const oneOfThese = (words: readonly string[], description: string) =>
  Type.Unsafe<string>({ type: "string", enum: words, description });

const cidr = Type.String({ pattern: "^[0-9a-fA-F.:]+/[0-9]{1,3}$" });

export const cidrs = (description: string) => Type.Array(cidr, { description });

const selector = Type.Partial(
  Type.Object({
    matchLabels: Type.Record(Type.String(), Type.String()),
    matchExpressions: Type.Array(
      Type.Object(
        {
          key: Type.String({ minLength: 1 }),
          operator: oneOfThese(["In", "NotIn", "Exists", "DoesNotExist"], "Of Kubernetes."),
          values: Type.Optional(Type.Array(Type.String())),
        },
        { additionalProperties: false },
      ),
    ),
  }),
  { additionalProperties: false },
);

/** Where connections come from or go to, as a NetworkPolicy names them. */
const peer = Type.Partial(
  Type.Object({
    podSelector: selector,
    namespaceSelector: selector,
    ipBlock: Type.Object({ cidr, except: Type.Optional(Type.Array(cidr)) }, { additionalProperties: false }),
  }),
  { additionalProperties: false, minProperties: 1 },
);

export const peers = (description: string) => Type.Array(peer, { description });

/** Rules of a NetworkPolicy for what pods may reach. */
export const egressRules = (description: string) =>
  Type.Array(
    Type.Partial(
      Type.Object({
        to: Type.Array(peer),
        ports: Type.Array(
          Type.Partial(
            Type.Object({
              port: Type.Union([
                Type.Integer({ minimum: 1, maximum: 65_535 }),
                Type.String({ minLength: 1 }),
              ]),
              endPort: Type.Integer({ minimum: 1, maximum: 65_535 }),
              protocol: oneOfThese(["TCP", "UDP", "SCTP"], "Of Kubernetes."),
            }),
            { additionalProperties: false },
          ),
        ),
      }),
      { additionalProperties: false },
    ),
    { description },
  );

/** Of the DNS, perhaps with a first part that stands for any. */
export const hosts = (description: string) =>
  Type.Array(
    Type.String({
      pattern: "^(\\*\\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$",
      maxLength: 253,
    }),
    { description, uniqueItems: true },
  );

export const ports = (description: string) =>
  Type.Array(Type.Integer({ minimum: 1, maximum: 65_535 }), { description });
