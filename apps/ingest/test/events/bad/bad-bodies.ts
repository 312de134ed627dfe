import { batch, single } from "../events-space.ts";
import { badDocuments } from "./bad-documents.ts";
import { badCloudEvents, badEvents } from "./bad-events.ts";
import { badRequests } from "./bad-requests.ts";
import { type BadBody, cloudEventBatch, cloudEvents, ndjson } from "./body-texts.ts";

const lineOf = (text: string) => text.replaceAll("\n", " ");

/** Every way that we know of in which a body can be wrong, with what the documentation says to it. */
export function badBodies(): BadBody[] {
  return [
    ...badDocuments.flatMap((one) =>
      [single, batch].map((path) => {
        const query = one.name === "an unknown query field" ? "?page=2" : "";
        const isList = path === batch && one.name === "an unknown query field";
        return { ...one, path: path + query, ...(isList ? { body: `[${one.body}]` } : {}) };
      }),
    ),
    ...badEvents.flatMap(([name, text, pointers]): BadBody[] => [
      { name, path: single, body: text, status: 400, code: "invalid_request", pointers },
      { name, path: batch, body: `[${text}]`, status: 202, pointers },
      { name, path: batch, type: ndjson, body: lineOf(text), status: 202, pointers },
    ]),
    ...badCloudEvents.flatMap(([name, text, pointers]): BadBody[] => [
      { name, path: single, type: cloudEvents, body: text, status: 400, code: "invalid_request", pointers },
      { name, path: batch, type: cloudEvents, body: text, status: 202, pointers },
      { name, path: batch, type: cloudEventBatch, body: `[${text}]`, status: 202, pointers },
    ]),
    ...badRequests,
  ];
}
