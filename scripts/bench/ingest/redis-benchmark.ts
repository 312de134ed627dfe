import path from "node:path";
import { redisServerBinary } from "@payflow/one-machine/stores/redis-binary.ts";
import { Redis } from "ioredis";

const stream = "redis-benchmark";
const connections = 64;

/**
 * How many times a second Redis's own program can `XADD` one field with as many bytes as an event, on the
 * same server; `pipelined` commands go out at once on each connection. Null where the program is absent.
 */
export async function benchmarkXadd(
  redisUrl: string,
  {
    pipelined,
    requests,
    bytes,
  }: { readonly pipelined: number; readonly requests: number; readonly bytes: number },
): Promise<number | null> {
  const beside = path.join(path.dirname(redisServerBinary()), "redis-benchmark");
  const program = Bun.which("redis-benchmark") ?? Bun.which(beside);
  if (program === null) return null;
  const { hostname, port, password } = new URL(redisUrl);
  // The password is that of a server which lives as long as the benchmark.
  const where = [
    "-h",
    hostname,
    "-p",
    port,
    "--user",
    "default",
    "-a",
    password,
    "-c",
    `${connections}`,
    "-P",
    `${pipelined}`,
  ];
  const run = Bun.spawn(
    [program, ...where, "-n", `${requests}`, "--csv", "XADD", stream, "*", "event", "x".repeat(bytes)],
    { stdout: "pipe", stderr: "pipe" },
  );
  const said = await new Response(run.stdout).text();
  if ((await run.exited) !== 0)
    throw new Error(`redis-benchmark failed: ${await new Response(run.stderr).text()}`);
  const redis = new Redis(redisUrl, { username: "default" });
  await redis.unlink(stream);
  redis.disconnect();
  // The last line has the command's name, then the rate, each in quotes.
  const perSecond = Number(/","([\d.]+)"/.exec(said.trim().split("\n").at(-1) ?? "")?.[1]);
  if (!Number.isFinite(perSecond)) throw new Error(`redis-benchmark said ${said}`);
  return perSecond;
}
