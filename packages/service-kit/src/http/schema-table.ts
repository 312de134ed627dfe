/** The parts of a JSON Schema that the API's page shows. */
interface Shown {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly format?: string;
  readonly anyOf?: readonly Shown[];
  readonly allOf?: readonly Shown[];
  readonly items?: Shown;
  readonly properties?: Readonly<Record<string, Shown>>;
  readonly required?: readonly string[];
  readonly patternProperties?: Readonly<Record<string, Shown>>;
  readonly description?: string;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
  readonly maxItems?: number;
}

export interface FieldRow {
  /** Where the field is: `data[].amount`. */
  readonly name: string;
  readonly type: string;
  readonly isRequired: boolean;
  readonly description: string;
}

/** One row for each field of a body, those of objects and lists in it too. */
export function fieldRows(schema: unknown): FieldRow[] {
  // Schemas come from the OpenAPI document, which holds JSON Schema and nothing else.
  return rowsBelow(schema as Shown, "");
}

/** What a value may be, in a few words: `integer, 1 to 100`. */
export function typeWords(schema: unknown): string {
  // As above.
  const shown = schema as Shown;
  if (shown.const !== undefined) return String(shown.const);
  if (shown.enum !== undefined) return shown.enum.join(" | ");
  if (shown.anyOf !== undefined) {
    const words = shown.anyOf.map(typeWords);
    return [...new Set(words)].join(" | ");
  }
  if (shown.type === "array") return withLimits(`list of ${plain(shown.items)}`, shown);
  if (shown.type === "string" && shown.format === "date-time") return "time";
  if (shown.patternProperties !== undefined) {
    return `object of ${plain(Object.values(shown.patternProperties)[0])}`;
  }
  return withLimits(shown.type ?? "any", shown);
}

function plain(schema: Shown | undefined): string {
  if (schema === undefined) return "any";
  if (schema.anyOf?.some((one) => whole(one).properties !== undefined)) return "objects";
  return ["object", "string", "integer", "number", "boolean"].includes(schema.type ?? "")
    ? `${schema.type}s`
    : typeWords(schema);
}

function withLimits(words: string, shown: Shown): string {
  const limits = [
    ...(shown.minimum === undefined ? [] : [`from ${shown.minimum}`]),
    ...(shown.maximum === undefined ? [] : [`to ${shown.maximum}`]),
    ...(shown.maxLength === undefined ? [] : [`to ${shown.maxLength} characters`]),
    ...(shown.maxItems === undefined ? [] : [`to ${shown.maxItems}`]),
  ].join(" ");
  return limits === "" ? words : `${words}, ${limits.replace(/^to/, "up to")}`;
}

/** An object that adds to others, as one. */
function whole(schema: Shown): Shown {
  if (schema.allOf === undefined) return schema;
  const { allOf, ...own } = schema;
  const parts = [...allOf.map(whole), own];
  const properties = Object.assign({}, ...parts.map((part) => part.properties));
  return { ...own, type: "object", properties, required: parts.flatMap((part) => part.required ?? []) };
}

function rowsBelow(given: Shown, path: string): FieldRow[] {
  const schema = whole(given);
  if (schema.items !== undefined) return rowsBelow(schema.items, `${path}[]`);
  const variants =
    schema.anyOf?.map(whole).filter((one) => one.properties !== undefined || one.items !== undefined) ?? [];
  if (variants.length === 1) return variants.flatMap((one) => rowsBelow(one, path));
  if (variants.length > 1) {
    return variants.flatMap((one, index) => [
      { name: path, type: variantName(one, index), isRequired: false, description: "" },
      ...rowsBelow(one, path),
    ]);
  }
  return Object.entries(schema.properties ?? {}).flatMap(([key, field]) => {
    const name = path === "" ? key : `${path}.${key}`;
    return [
      {
        name,
        type: typeWords(field),
        isRequired: schema.required?.includes(key) === true,
        description: describe(field),
      },
      ...rowsBelow(field, name),
    ];
  });
}

/** Variants are told apart by their constants: `kind` velocity, `measure` count. */
function variantName(schema: Shown, index: number): string {
  const constants = Object.entries(schema.properties ?? {})
    .filter(([, field]) => field.const !== undefined)
    .map(([key, field]) => `${key} ${field.const}`);
  return constants.length === 0 ? `form ${index + 1}` : `with ${constants.join(", ")}`;
}

function describe(field: Shown): string {
  const own = field.description ?? field.anyOf?.find((one) => one.description !== undefined)?.description;
  const shown = own === "RFC 3339, UTC." ? undefined : own;
  const ifLeftOut = field.default === undefined ? undefined : `\`${field.default}\` when left out.`;
  return [shown, ifLeftOut].filter((text) => text !== undefined).join(" ");
}
