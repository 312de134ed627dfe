import { Command } from "commander";
import { benchCommand } from "./commands/bench.ts";
import { clusterCommand } from "./commands/cluster.ts";
import { demoCommand } from "./commands/demo.ts";
import { downCommand } from "./commands/down.ts";
import { loadtestCommand } from "./commands/loadtest.ts";
import { logsCommand } from "./commands/logs.ts";
import { generateCommand } from "./commands/making/generate.ts";
import { imageCommand } from "./commands/making/image.ts";
import { releaseCommand } from "./commands/making/release.ts";
import { resetCommand } from "./commands/reset.ts";
import { statusCommand } from "./commands/status.ts";
import { testCommand } from "./commands/test.ts";
import { upCommand } from "./commands/up.ts";

const program = new Command("payflow")
  .description("Runs PayFlow on this machine: PostgreSQL, Redis and all apps, without containers.")
  .showHelpAfterError("(--help shows what is possible)")
  .addCommand(upCommand())
  .addCommand(downCommand())
  .addCommand(resetCommand())
  .addCommand(statusCommand())
  .addCommand(logsCommand())
  .addCommand(clusterCommand())
  .addCommand(demoCommand())
  .addCommand(testCommand())
  .addCommand(benchCommand())
  .addCommand(loadtestCommand())
  .addCommand(generateCommand())
  .addCommand(imageCommand())
  .addCommand(releaseCommand());

try {
  await program.parseAsync();
} catch (error) {
  // Whoever runs a command needs the sentence; whoever works on one asks for the stack.
  const isDebugging = process.env.PAYFLOW_DEBUG !== undefined;
  console.error(`payflow: ${error instanceof Error && !isDebugging ? error.message : Bun.inspect(error)}`);
  process.exitCode = 1;
}
// Sockets that a library still holds open must not keep a finished command alive.
process.exit();
