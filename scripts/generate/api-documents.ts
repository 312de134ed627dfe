import * as fraud from "../../apps/fraud/src/server.ts";
import * as ingest from "../../apps/ingest/src/server.ts";
import * as ledger from "../../apps/ledger/src/server.ts";
import * as notifier from "../../apps/notifier/src/server.ts";
import * as payment from "../../apps/payment/src/server.ts";
import * as tenant from "../../apps/tenant/src/server.ts";
import type { GeneratedFile } from "./generated-file.ts";
import { buildInert } from "./inert.ts";

/** Each app's public server, built on stand-ins: only its routes are read. */
const servers = {
  fraud: () => buildInert(fraud.createServer),
  ingest: () => buildInert(ingest.createServer),
  ledger: () => buildInert(ledger.createServer),
  notifier: () => buildInert(notifier.createServer),
  payment: () => buildInert(payment.createServer),
  tenant: () => buildInert(tenant.createServer),
};

/** `openapi.json` of every app, as it serves it. */
export function apiDocuments(): Promise<GeneratedFile[]> {
  return Promise.all(
    Object.entries(servers).map(async ([app, build]) => {
      const answer = await build().handle(new Request("http://localhost/openapi.json"));
      return { path: `apps/${app}/openapi.json`, text: `${JSON.stringify(await answer.json(), null, 2)}\n` };
    }),
  );
}
