import { envelopeSchema, topics } from "@payflow/contracts/events.ts";
import type { GeneratedFile } from "./generated-file.ts";

/** `docs/events/<topic>.json`: the JSON Schema of every event on the bus. */
export function eventSchemas(): GeneratedFile[] {
  return topics.map((topic) => {
    const schema = {
      $schema: "https://json-schema.org/draft/2020-12/schema",
      $id: `https://payflow.dev/events/${topic}.json`,
      title: topic,
      ...envelopeSchema(topic),
    };
    return { path: `docs/events/${topic}.json`, text: `${JSON.stringify(schema, null, 2)}\n` };
  });
}
