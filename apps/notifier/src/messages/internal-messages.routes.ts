import {
  MessagesAnswer,
  MessagesBody,
  messagesPath,
  WantedAnswer,
  WantedBody,
  wantedPath,
} from "@payflow/contracts/internal-notifier.ts";
import { operation } from "@payflow/service-kit/http/operation.ts";
import type { Http } from "@payflow/service-kit/http/server.ts";
import { areWanted } from "./are-wanted.ts";
import { type HandOver, handOver } from "./hand-over.ts";

export const internalMessagesRoutes = (http: Http, deps: HandOver) =>
  http
    .routes("internal-messages")
    .post(messagesPath, async ({ body }) => ({ results: await handOver(deps, body.source, body.messages) }), {
      access: "internal",
      body: MessagesBody,
      detail: operation({
        summary: "Hand over messages for tenants' endpoints",
        responses: { 200: MessagesAnswer },
      }),
    })
    .post(wantedPath, async ({ body }) => ({ wanted: await areWanted(deps, body.events) }), {
      access: "internal",
      body: WantedBody,
      detail: operation({
        summary: "Ask which events any endpoint wants",
        responses: { 200: WantedAnswer },
      }),
    });
