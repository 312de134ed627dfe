import { envelopeSchema, topics } from "@payflow/contracts/events.ts";
import { exhaustWebhookSchema } from "@payflow/contracts/exhaust-events.ts";
import { processorEvents, processorWebhookSchema } from "@payflow/contracts/processor-events.ts";
import type { TObject } from "@sinclair/typebox";
import type { GeneratedFile } from "./generated-file.ts";

/**
 * `docs/events/<event>.json`: the JSON Schema of every event on the bus, and of the webhooks that come from
 * ingest and from no bus.
 */
export function eventSchemas(): GeneratedFile[] {
  return [
    ...topics.map((topic) => schemaFile(topic, envelopeSchema(topic))),
    schemaFile("payment_exhaust.received", exhaustWebhookSchema),
    ...processorEvents.map((event) => schemaFile(event, processorWebhookSchema(event))),
  ];
}

function schemaFile(name: string, of: TObject): GeneratedFile {
  const schema = {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    $id: `https://payflow.dev/events/${name}.json`,
    title: name,
    ...of,
  };
  return { path: `docs/events/${name}.json`, text: `${JSON.stringify(schema, null, 2)}\n` };
}
