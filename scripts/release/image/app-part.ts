import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { platformDatabases, repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import { billOfMaterials, licenceTexts, type UsedPackage, usedPackages } from "./bill-of-materials.ts";

/** The program that a container runs; its first argument says which app it is. */
export const imageProgram = "/app/payflow.js";

/**
 * Writes what is ours in the image below `folder`: every app and the operator as one bundle, the migrations,
 * the licences and the bill of materials. The same bytes come out on every machine. Returns the packages that
 * are in the bundle. Throws when it cannot be made.
 */
export async function writeAppPart(folder: string): Promise<UsedPackage[]> {
  const app = path.join(folder, "app");
  mkdirSync(app, { recursive: true });
  const packages = await bundle(app);
  for (const { name, migrations } of platformDatabases) {
    copyMigrations(migrations, path.join(app, "migrations", name));
  }
  cpSync(path.join(repositoryRoot, "LICENSE"), path.join(app, "LICENSE"));
  writeFileSync(path.join(app, "third-party-licences.txt"), licenceTexts(packages));
  writeFileSync(path.join(app, "sbom.cdx.json"), billOfMaterials(packages));
  return packages;
}

/** Names are kept, so that a stack in a log can be read; what several apps use stands there once. */
async function bundle(app: string): Promise<UsedPackage[]> {
  const result = await Bun.build({
    entrypoints: [path.join(repositoryRoot, "scripts/release/image/inside/payflow.ts")],
    root: path.join(repositoryRoot, "scripts/release/image/inside"),
    outdir: app,
    target: "bun",
    splitting: true,
    metafile: true,
    // Else the bundle holds this machine's paths, of packages that never ask where they are when we use them.
    define: { __dirname: '"/app"', __filename: JSON.stringify(imageProgram) },
    naming: { entry: "[name].[ext]", chunk: "chunks/[name]-[hash].[ext]" },
  });
  const inputs = Object.keys(result.metafile?.inputs ?? {});
  copyWebAssembly(inputs, path.join(app, "chunks"));
  return usedPackages(inputs);
}

/** A bundle holds modules alone: a file that one of them reads goes to where its chunk then looks for it. */
function copyWebAssembly(inputs: readonly string[], chunks: string): void {
  const wanted = /new URL\(['"](\.[^'"]+\.wasm)['"], import\.meta\.url\)/g;
  for (const input of inputs.map((one) => path.resolve(repositoryRoot, one))) {
    for (const [, relative = ""] of readFileSync(input, "utf8").matchAll(wanted)) {
      const target = path.join(chunks, relative);
      mkdirSync(path.dirname(target), { recursive: true });
      cpSync(path.join(path.dirname(input), relative), target);
    }
  }
}

/** What the migrator reads; the snapshots beside it are for making further migrations. */
function copyMigrations(from: string, to: string): void {
  mkdirSync(path.join(to, "meta"), { recursive: true });
  const scripts = readdirSync(from).filter((name) => name.endsWith(".sql"));
  for (const name of [...scripts, "meta/_journal.json"]) cpSync(path.join(from, name), path.join(to, name));
}

if (import.meta.main) await writeAppPart(process.argv[2] ?? "dist/image-app");
