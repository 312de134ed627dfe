export interface CommandOptions {
  readonly cwd?: string;
  /** Instead of this process's own environment. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** What it reads from its standard input; nothing when left out. */
  readonly input?: string;
}

export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Both, one after the other. */
  readonly output: string;
}

/** Runs a command to its end and keeps what it said. A command that fails is a result, not an error. */
export async function runCommand(
  command: readonly string[],
  { cwd, env = process.env, input }: CommandOptions = {},
): Promise<CommandResult> {
  const child = Bun.spawn([...command], {
    ...(cwd === undefined ? {} : { cwd }),
    env: { ...env },
    stdin: input === undefined ? "ignore" : new Blob([input]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { exitCode, stdout, stderr, output: stdout + stderr };
}
