import { readFileSync } from "node:fs";
import { DomainError } from "@payflow/contracts/errors.ts";
import { ConfigError } from "@payflow/service-kit/process/config.ts";
import type { GroupRegistry } from "../../streams/registry.ts";
import type { Exporter } from "../exporter.ts";
import type { ExportersStore } from "./exporters.store.ts";
import { exporterProblems, type PutExporter, putExporter } from "./put-exporter.ts";
import { drainExporter } from "./remove-exporter.ts";

/** The exporters of a file, by their names; checked, but secrets may still be those given before. */
export type FileExporters = ReadonlyMap<string, unknown>;

/**
 * Reads a file of exporters: `{"exporters": {"name": settings}}`. Throws `ConfigError` with everything that
 * is wrong with it.
 */
export function readExportersFile(path: string, hasFolder: boolean): FileExporters {
  const problem = (text: string) => new ConfigError([`INGEST_EXPORTERS_FILE ${text}`]);
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    // What a parser says of a text may quote a secret from it.
    const isJson = !(error instanceof SyntaxError);
    throw problem(
      isJson ? `cannot be read: ${error instanceof Error ? error.message : error}` : "is not JSON",
    );
  }
  const exporters = fieldOf(value, "exporters");
  if (typeof exporters !== "object" || exporters === null || Array.isArray(exporters)) {
    throw problem('must be an object with the names and settings of exporters in "exporters"');
  }
  const entries = Object.entries(exporters);
  const problems = entries.flatMap(([name, settings]) =>
    exporterProblems({ hasFolder }, name, settings, null, `/exporters/${name}`).problems.map(
      ({ pointer, message }) => `INGEST_EXPORTERS_FILE ${pointer}: ${message}`,
    ),
  );
  if (problems.length > 0) throw new ConfigError(problems);
  return new Map(entries);
}

function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  // An object that came out of JSON has texts for names.
  return (value as Record<string, unknown>)[name];
}

export interface ApplyFile extends PutExporter {
  readonly exporters: ExportersStore;
  readonly registry: GroupRegistry;
}

/** An exporter of the file that cannot be set up as things are. */
export interface Refused {
  readonly name: string;
  readonly error: DomainError;
}

/**
 * Sets up what stands in the file, and drains what stood in it before and does so no more. Returns why single
 * ones could not be set up, such as that another kind of exporter has the name: that concerns no other.
 */
export async function applyExportersFile(deps: ApplyFile, file: FileExporters): Promise<readonly Refused[]> {
  const known = new Map((await deps.exporters.list()).map((exporter) => [exporter.name, exporter]));
  const refused: Refused[] = [];
  for (const [name, settings] of file) {
    try {
      await applyOne(deps, name, settings, known.get(name));
    } catch (error) {
      if (!(error instanceof DomainError) || error.reason === "unavailable") throw error;
      refused.push({ name, error });
    }
  }
  for (const name of known.keys()) if (!file.has(name)) await drainOfFile(deps, name);
  return refused;
}

function drainOfFile(deps: ApplyFile, name: string): Promise<void> {
  return deps.exporters.change(async (change) => {
    const exporter = await deps.exporters.get(name);
    if (exporter?.source === "file" && exporter.state === "running") {
      await drainExporter(deps, change, exporter);
    }
  });
}

async function applyOne(
  deps: ApplyFile,
  name: string,
  settings: unknown,
  before: Exporter | undefined,
): Promise<void> {
  const { settings: wanted } = exporterProblems(deps, name, settings, before ?? null);
  const isSame = before?.source === "file" && before.state === "running";
  if (isSame && Bun.deepEquals(before.settings, wanted)) return;
  await putExporter(deps, name, settings, "file");
}
