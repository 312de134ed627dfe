import { statSync } from "node:fs";
import path from "node:path";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import { Command } from "commander";

interface ImageFlags {
  readonly out: string;
  readonly name?: string;
}

export function imageCommand(): Command {
  return new Command("image")
    .description(
      "Builds the image with all apps and the operator as an OCI archive, for this machine's processor. " +
        "No container engine is needed; where there is one, the Dockerfile gives the same.",
    )
    .option("--out <file>", "the archive", path.join(repositoryRoot, "dist/payflow-image.tar"))
    .option(
      "--name <name:tag>",
      "what engines call it once it is loaded; payflow and our version if left out",
    )
    .action(async ({ out, name }: ImageFlags) => {
      const { buildImage } = await import("../../release/image/build-image.ts");
      const image = await buildImage(out, name);
      const megabytes = Math.ceil(statSync(out).size / 1e6);
      console.log(`${image.name}  ${image.digest}  ${megabytes} MB\n${image.file}`);
    });
}
