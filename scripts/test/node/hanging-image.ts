import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { imageProgram } from "../../release/image/app-part.ts";
import { imageConfig } from "../../release/image/build-image.ts";
import { writeOciArchive } from "../../release/image/oci-archive.ts";
import { writeRuntimePart } from "../../release/image/runtime-part.ts";

const program = `if (process.argv[2] !== "migrate") setInterval(() => {}, 1_000);\n`;

/**
 * Writes the archive of a version whose migrations do nothing and whose apps never answer anybody. Its runtime
 * is that of every version, which a node does not unpack again.
 */
export async function writeHangingImage(file: string): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), "payflow-hanging-"));
  const [runtime, app] = [path.join(folder, "runtime"), path.join(folder, "app")];
  try {
    mkdirSync(runtime);
    writeRuntimePart(runtime);
    mkdirSync(path.join(app, path.dirname(imageProgram)), { recursive: true });
    writeFileSync(path.join(app, imageProgram), program);
    await writeOciArchive(file, { name: "payflow:hanging", layers: [runtime, app], config: imageConfig });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
