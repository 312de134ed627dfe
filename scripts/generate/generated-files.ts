import { apiDocuments } from "./api-documents.ts";
import { chartFiles } from "./chart/chart-files.ts";
import { configurationPages } from "./configuration-page.ts";
import { licencePage } from "./dependencies/licence-page.ts";
import { errorPage } from "./error-page.ts";
import { eventSchemas } from "./event-schemas.ts";
import type { GeneratedFile } from "./generated-file.ts";
import { resourceDefinitions } from "./resource-definitions.ts";
import { resourcePage } from "./resource-page.ts";

/** Everything `./payflow generate` writes. */
export async function generatedFiles(): Promise<GeneratedFile[]> {
  const definitions = resourceDefinitions();
  return [
    ...(await apiDocuments()),
    ...errorPage(),
    ...eventSchemas(),
    ...configurationPages(),
    ...definitions,
    ...chartFiles(definitions),
    ...resourcePage(),
    ...licencePage(),
  ];
}
