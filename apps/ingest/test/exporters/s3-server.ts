import { reservePort } from "@payflow/one-machine/processes/ports.ts";
import { findPythonProgram } from "@payflow/one-machine/programs/python-program.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { S3Client } from "bun";

export interface S3Server {
  readonly endpoint: string;
  readonly bucket: string;
  readonly client: S3Client;
  stop(): Promise<void>;
  start(): Promise<void>;
}

/** A server that speaks Amazon S3's protocol, with one bucket. It forgets everything when it is stopped. */
export async function startS3Server(): Promise<S3Server> {
  const command = findPythonProgram({
    name: "moto",
    version: "5.2.5",
    extra: "server",
    command: "moto_server",
  });
  if (command === null) throw new Error("moto needs python3 with venv and pip");
  const port = await reservePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const bucket = "exports";
  let child: Bun.Subprocess | undefined;
  const start = async () => {
    child = Bun.spawn([command, "-H", "127.0.0.1", "-p", String(port)], {
      stdout: "ignore",
      stderr: "ignore",
    });
    await eventually(async () => (await fetch(`${endpoint}/${bucket}`, { method: "PUT" })).ok, {
      timeoutMs: 30_000,
    });
  };
  await start();
  return {
    endpoint,
    bucket,
    client: new S3Client({ bucket, endpoint, accessKeyId: "key", secretAccessKey: "secret" }),
    start,
    async stop() {
      child?.kill("SIGKILL");
      await child?.exited;
    },
  };
}
