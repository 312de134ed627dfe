import path from "node:path";
import { redisServerBinary } from "@payflow/one-machine/stores/redis-binary.ts";

/** How one command is sent again and again. */
export interface RedisBenchmark {
  readonly clients: number;
  readonly requests: number;
  /** `__rand_int__` in the command stands for a number below this. */
  readonly random?: number;
  readonly command: readonly string[];
}

/** How many times a second Redis's own program can run a command. Null where the program is absent. */
export async function redisBenchmark(
  redisUrl: string,
  { clients, requests, random, command }: RedisBenchmark,
): Promise<number | null> {
  const beside = path.join(path.dirname(redisServerBinary()), "redis-benchmark");
  const program = Bun.which("redis-benchmark") ?? Bun.which(beside);
  if (program === null) return null;
  const { hostname, port, password } = new URL(redisUrl);
  // The password is that of a server which lives as long as the benchmark.
  const where = ["-h", hostname, "-p", port, "--user", "default", "-a", password];
  const range = random === undefined ? [] : ["-r", `${random}`];
  const run = Bun.spawn(
    [program, ...where, "-c", `${clients}`, "-n", `${requests}`, ...range, "--csv", ...command],
    { stdout: "pipe", stderr: "pipe" },
  );
  const said = await new Response(run.stdout).text();
  if ((await run.exited) !== 0)
    throw new Error(`redis-benchmark failed: ${await new Response(run.stderr).text()}`);
  // The last line has the command, which may hold any byte, then the rate and latencies, each in quotes.
  const perSecond = Number(/"([\d.]+)"(?:,"[\d.]+"){6}$/.exec(said.trim())?.[1]);
  if (!Number.isFinite(perSecond)) throw new Error(`redis-benchmark said ${said.slice(-300)}`);
  return perSecond;
}
