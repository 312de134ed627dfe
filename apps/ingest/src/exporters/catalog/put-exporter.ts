import { DomainError, type FieldError } from "@payflow/contracts/errors.ts";
import type { GroupRegistry } from "../../streams/registry.ts";
import { changeSecrets, type Exporter, groupOf, secretPlaces } from "../exporter.ts";
import {
  type ExporterSettings,
  exporterName,
  readExporterSettings,
  targetsOf,
} from "../exporter-settings.ts";
import type { ExportersStore } from "./exporters.store.ts";

export interface PutExporter {
  readonly exporters: ExportersStore;
  readonly registry: GroupRegistry;
  /** Whether this installation has a folder for exports. */
  readonly hasFolder: boolean;
}

/** Each has a group that events wait for, and reads all of them. */
const maxExporters = 20;

/**
 * Sets up an exporter or changes one; exporter processes take it up within seconds. Fails with
 * `invalid_request`, `invalid_state` or `limit_reached`.
 */
export function putExporter(
  deps: PutExporter,
  name: string,
  value: unknown,
  source: Exporter["source"] = "api",
): Promise<Exporter> {
  return deps.exporters.change(async (change) => {
    const before = await deps.exporters.get(name);
    const settings = requireSettings(deps, name, value, before);
    if (before !== null) requireChangeable(before, settings, source);
    else if ((await deps.exporters.list()).length >= maxExporters) {
      throw new DomainError("limit_reached", `There are ${maxExporters} exporters already.`);
    }
    const now = new Date().toISOString();
    const createdAt = before?.createdAt ?? now;
    const exporter: Exporter = { name, settings, source, state: "running", createdAt, updatedAt: now };
    await change.put(exporter);
    // What comes from now on waits for it, also where no exporter process runs yet.
    await registerExporter(deps, exporter);
    return exporter;
  });
}

/** Has events wait for an exporter. */
export function registerExporter(
  deps: Pick<PutExporter, "registry">,
  { name, settings }: Exporter,
): Promise<void> {
  return deps.registry.register(groupOf(name), settings.kind, settings.start === "now" ? "$" : "0");
}

/** Everything that is wrong with an exporter's name and settings; empty for a good one. */
export function exporterProblems(
  deps: Pick<PutExporter, "hasFolder">,
  name: string,
  value: unknown,
  before: Exporter | null,
  at = "",
): { readonly problems: readonly FieldError[]; readonly settings?: ExporterSettings } {
  const problems: FieldError[] = [];
  if (!exporterName.test(name)) {
    const message = "Expected a name of 1 to 40 lower-case letters, digits and dashes, a letter first";
    problems.push({ pointer: at === "" ? "#/path/name" : at, message });
  }
  const read = readExporterSettings(value, at);
  if ("problems" in read) return { problems: [...problems, ...read.problems] };
  const settings = withKnownSecrets(read.settings, before);
  for (const [pointer, target] of targetsOf(settings)) {
    if (target.folder !== undefined && !deps.hasFolder) {
      const message = "Expected s3: this installation has no folder for exports (INGEST_EXPORT_FOLDER)";
      problems.push({ pointer: `${at}${pointer}/folder`, message });
    }
  }
  for (const { pointer, secret } of secretPlaces(settings)) {
    if (secret === undefined) {
      problems.push({ pointer: `${at}${pointer}`, message: "Expected required property" });
    }
  }
  return problems.length > 0 ? { problems } : { problems, settings };
}

function requireSettings(deps: PutExporter, name: string, value: unknown, before: Exporter | null) {
  const { problems, settings } = exporterProblems(deps, name, value, before);
  if (settings === undefined) throw new DomainError("invalid_request", undefined, { errors: problems });
  return settings;
}

/** A secret that is left out stays, but never goes with another server, bucket, key or user. */
function withKnownSecrets(settings: ExporterSettings, before: Exporter | null): ExporterSettings {
  const known = new Map<string, string>();
  for (const { owner, secret } of before === null ? [] : secretPlaces(before.settings)) {
    if (secret !== undefined) known.set(owner, secret);
  }
  return changeSecrets(settings, ({ owner, secret }) => secret ?? known.get(owner));
}

function requireChangeable(before: Exporter, settings: ExporterSettings, source: Exporter["source"]): void {
  if (before.source === "file" && source === "api") {
    throw new DomainError("invalid_state", "The exporter stands in INGEST_EXPORTERS_FILE: change it there.");
  }
  // One that has come back into the file before it was gone goes on.
  if (before.state === "draining" && source === "api") {
    throw new DomainError("invalid_state", "The exporter is being deleted: wait until it is gone.");
  }
  if (before.settings.kind !== settings.kind) {
    const { kind } = before.settings;
    throw new DomainError("invalid_state", `The exporter's kind is ${kind}: delete it to use another.`);
  }
}
