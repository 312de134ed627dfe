import path from "node:path";
import type { LoadOrder, LoadReport } from "./load-process.ts";

/** Runs a load in a process of its own and waits for its end. */
export async function runLoad(order: LoadOrder): Promise<LoadReport> {
  const child = Bun.spawn(
    [process.execPath, "--no-env-file", path.join(import.meta.dir, "load-process.ts")],
    {
      stdin: Buffer.from(JSON.stringify(order)),
      stdout: "pipe",
      stderr: "inherit",
    },
  );
  const said = await new Response(child.stdout).text();
  if ((await child.exited) !== 0) throw new Error("a load could not be run");
  return JSON.parse(said);
}
