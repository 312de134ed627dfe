import { openApiDocument } from "@payflow/service-kit/http/documentation.ts";
import * as fraud from "../../apps/fraud/src/server.ts";
import * as ledger from "../../apps/ledger/src/server.ts";
import * as notifier from "../../apps/notifier/src/server.ts";
import * as payment from "../../apps/payment/src/server.ts";
import * as tenant from "../../apps/tenant/src/server.ts";
import type { GeneratedFile } from "./generated-file.ts";
import { buildInert } from "./inert.ts";

/** Each app's public server, built on stand-ins: only its routes are read. */
const servers = {
  fraud: () => buildInert(fraud.createServer),
  ledger: () => buildInert(ledger.createServer),
  notifier: () => buildInert(notifier.createServer),
  payment: () => buildInert(payment.createServer),
  tenant: () => buildInert(tenant.createServer),
};

/** `openapi.json` of every app, from its routes. */
export function apiDocuments(): GeneratedFile[] {
  return Object.entries(servers).map(([app, build]) => ({
    path: `apps/${app}/openapi.json`,
    text: `${JSON.stringify(openApiDocument(build(), `PayFlow ${app}`), null, 2)}\n`,
  }));
}
