import { Command } from "commander";

interface TestFlags {
  readonly thorough?: true;
}

export function testCommand(): Command {
  return new Command("test")
    .description(
      "Runs the static checks and all tests on real PostgreSQL, Redis and Kafka, with free ports of their own.",
    )
    .argument("[pattern]", "only test files whose path contains this, without the static checks")
    .option("--thorough", "more rounds where a test has a number of them")
    .action(async (pattern: string | undefined, flags: TestFlags) => {
      const { runTests } = await import("../test-run/run.ts");
      const isPassed = await runTests({ pattern, isThorough: flags.thorough === true });
      if (!isPassed) process.exitCode = 1;
    });
}
