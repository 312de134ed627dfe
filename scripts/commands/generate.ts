import { mkdir } from "node:fs/promises";
import path from "node:path";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import { Command } from "commander";

export function generateCommand(): Command {
  return new Command("generate")
    .description(
      "Writes the API documents, event schemas, error page and configuration tables from the source.",
    )
    .action(async () => {
      // Loaded here, since it imports every app.
      const { generatedFiles } = await import("../generate/generated-files.ts");
      for (const { path: name, text } of generatedFiles()) {
        const target = path.join(repositoryRoot, name);
        await mkdir(path.dirname(target), { recursive: true });
        await Bun.write(target, text);
        console.log(name);
      }
    });
}
