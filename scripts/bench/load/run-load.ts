import type { LoadOrder, LoadReport } from "./http-load.ts";

/** Runs a load in a process of its own, which `program` is, and waits for its end. */
export function runLoad(program: string, order: LoadOrder): Promise<LoadReport> {
  return runProgram<LoadReport>(program, order);
}

/** Runs a program that reads an order in JSON and prints a report in JSON. */
export async function runProgram<Report>(program: string, order: unknown): Promise<Report> {
  const child = Bun.spawn([process.execPath, "--no-env-file", program], {
    stdin: Buffer.from(JSON.stringify(order)),
    stdout: "pipe",
    stderr: "inherit",
  });
  const said = await new Response(child.stdout).text();
  if ((await child.exited) !== 0) throw new Error(`${program} failed`);
  return JSON.parse(said);
}
