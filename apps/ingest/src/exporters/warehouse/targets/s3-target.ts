import { pause } from "@payflow/service-kit/concurrency/retry.ts";
import { S3Client } from "bun";
import type { S3Settings } from "../../exporter-settings.ts";
import type { ExportTarget } from "./target.ts";

/** A put that takes longer is given up and tried again; the object is the same whenever it arrives. */
const deadlineMs = 60_000;

/** A bucket of Amazon S3 or of a server that speaks its protocol. An object appears only when it is whole. */
export function createS3Target(settings: S3Settings): ExportTarget {
  const { secret_access_key: secret } = settings;
  if (secret === undefined) {
    const refuse = () =>
      Promise.reject(new Error("the bucket's secret is not known: put the settings again"));
    return { put: refuse };
  }
  const client = new S3Client({
    bucket: settings.bucket,
    accessKeyId: settings.access_key_id,
    secretAccessKey: secret,
    ...(settings.region === undefined ? {} : { region: settings.region }),
    ...(settings.endpoint === undefined ? {} : { endpoint: settings.endpoint }),
    ...(settings.virtual_hosted_style === undefined
      ? {}
      : { virtualHostedStyle: settings.virtual_hosted_style }),
  });
  return {
    async put(name, pieces, signal) {
      const deadline = new AbortController();
      const given = AbortSignal.any([signal, deadline.signal]);
      const late = pause(deadlineMs, given).then(() => {
        given.throwIfAborted();
        throw new Error(`the bucket gave no answer within ${deadlineMs / 1_000} s`);
      });
      try {
        await Promise.race([client.write(name, new Blob([...pieces])), late]);
      } finally {
        late.catch(() => {});
        deadline.abort();
      }
    },
  };
}
