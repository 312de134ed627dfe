import { openApiDocument } from "@payflow/service-kit/http/documentation.ts";
import * as fraud from "../../apps/fraud/src/server.ts";
import * as ledger from "../../apps/ledger/src/server.ts";
import * as notifier from "../../apps/notifier/src/server.ts";
import * as payment from "../../apps/payment/src/server.ts";
import * as tenant from "../../apps/tenant/src/server.ts";
import type { GeneratedFile } from "./generated-file.ts";
import { buildInert } from "./inert.ts";

const servers = { fraud, ledger, notifier, payment, tenant };

/** `openapi.json` of every app, from its routes. */
export function apiDocuments(): GeneratedFile[] {
  return Object.entries(servers).map(([app, server]) => ({
    path: `apps/${app}/openapi.json`,
    text: `${JSON.stringify(openApiDocument(buildInert(server.createServer), `PayFlow ${app}`), null, 2)}\n`,
  }));
}
