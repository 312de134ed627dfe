import {
  type ExporterSettings,
  exporterKinds,
  type TargetSettings,
  targetsOf,
  type WarehouseExporter,
} from "./exporter-settings.ts";

/** An exporter that was set up, with the secrets of its targets. */
export interface Exporter {
  readonly name: string;
  readonly settings: ExporterSettings;
  /** One that stands in the file is changed there. */
  readonly source: "api" | "file";
  /** A draining one exports what had come when it was deleted, and then goes. */
  readonly state: "running" | "draining";
  readonly createdAt: string;
  readonly updatedAt: string;
}

const groupPrefix = "exporter-";

/** The consumer group of an exporter. */
export function groupOf(name: string): string {
  return groupPrefix + name;
}

/** The exporter that a consumer group is of, whether it is set up or not; null for other groups. */
export function exporterOf({
  group,
  kind,
}: {
  readonly group: string;
  readonly kind: string;
}): string | null {
  const isOurs = exporterKinds.some((one) => one === kind) && group.startsWith(groupPrefix);
  return isOurs ? group.slice(groupPrefix.length) : null;
}

/** Where a tenant's rows go. */
export interface Place {
  readonly target: TargetSettings;
  readonly prefix: string;
  /** Whether the target is the tenant's own: then its being away is nobody else's trouble. */
  readonly isTenants: boolean;
}

/** The exporter's own place, and that of each tenant that has another. */
export function placesOf(exporter: WarehouseExporter): {
  readonly own: Place;
  readonly tenants: ReadonlyMap<string, Place>;
} {
  const { target, prefix = "" } = exporter.settings;
  const tenants = Object.entries(exporter.tenants ?? {}).map(
    ([tenantId, place]) =>
      [
        tenantId,
        {
          target: place.target ?? target,
          prefix: place.prefix ?? prefix,
          isTenants: place.target !== undefined,
        },
      ] as const,
  );
  return { own: { target, prefix, isTenants: false }, tenants: new Map(tenants) };
}

/** A place in an exporter's settings that takes a secret. */
export interface SecretPlace {
  readonly pointer: string;
  /** What the secret belongs to: it never goes with anything else. */
  readonly owner: string;
  readonly secret: string | undefined;
}

/** The settings as they may be shown: without secrets. */
export function withoutSecrets(settings: ExporterSettings): ExporterSettings {
  return changeSecrets(settings, () => undefined);
}

/** Every place that takes a secret, whether it has one or not. */
export function secretPlaces(settings: ExporterSettings): SecretPlace[] {
  const places: SecretPlace[] = [];
  changeSecrets(settings, (place) => {
    places.push(place);
    return place.secret;
  });
  return places;
}

/** A copy of the settings with each secret replaced. */
export function changeSecrets(
  settings: ExporterSettings,
  change: (place: SecretPlace) => string | undefined,
): ExporterSettings {
  const copy = structuredClone(settings);
  for (const [at, target] of targetsOf(copy)) {
    if (target.s3 === undefined) continue;
    const owner = JSON.stringify([targetName(target), target.s3.access_key_id]);
    const pointer = `${at}/s3/secret_access_key`;
    const secret = change({ pointer, owner, secret: target.s3.secret_access_key });
    if (secret === undefined) delete target.s3.secret_access_key;
    else target.s3.secret_access_key = secret;
  }
  const sasl = copy.kind === "kafka" ? copy.settings.sasl : undefined;
  if (copy.kind === "kafka" && sasl !== undefined) {
    const owner = JSON.stringify(["kafka", copy.settings.brokers.toSorted(), sasl.username]);
    const secret = change({ pointer: "/settings/sasl/password", owner, secret: sasl.password });
    if (secret === undefined) delete sasl.password;
    else sasl.password = secret;
  }
  return copy;
}

/** Tells one target from another, whoever opens it. */
export function targetName({ folder, s3 }: TargetSettings): string {
  if (s3 === undefined) return JSON.stringify(["folder", folder]);
  return JSON.stringify(["s3", s3.endpoint ?? null, s3.region ?? null, s3.bucket]);
}
