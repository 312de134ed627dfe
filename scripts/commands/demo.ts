import { Command } from "commander";

export function demoCommand(): Command {
  return new Command("demo")
    .description(
      "Plays a shop's day through the public API, on free ports and data of its own, and checks every step.",
    )
    .action(async () => {
      const { playDemo } = await import("../demo/demo.ts");
      if (!(await playDemo())) process.exitCode = 1;
    });
}
