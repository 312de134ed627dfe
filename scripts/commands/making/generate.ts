import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import { Command } from "commander";

interface GenerateFlags {
  readonly check?: true;
}

export function generateCommand(): Command {
  return new Command("generate")
    .description(
      "Writes the API documents, event schemas, error and configuration pages, and what the chart holds of them.",
    )
    .option("--check", "write nothing; fail when a file is not what the source says")
    .action(generate);
}

async function generate({ check }: GenerateFlags): Promise<void> {
  // Loaded only here, since it loads every app.
  const { generatedFiles } = await import("../../generate/generated-files.ts");
  const changed = (await generatedFiles()).filter(({ path: file, text }) => contentOf(file) !== text);
  if (check && changed.length > 0) {
    const names = changed.map((file) => file.path).join(", ");
    throw new Error(`Not what the source says any more: ${names}. Run ./payflow generate.`);
  }
  for (const { path: file, text } of changed) {
    const target = path.join(repositoryRoot, file);
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, text);
    console.log(`wrote ${file}`);
  }
  if (changed.length === 0) console.log("All generated files are up to date.");
}

function contentOf(file: string): string | null {
  const target = path.join(repositoryRoot, file);
  return existsSync(target) ? readFileSync(target, "utf8") : null;
}
