import { existsSync } from "node:fs";
import path from "node:path";
import { buildImage } from "../../release/image/build-image.ts";

/** The archive of this checkout's image: the one that the test run built, else one that is built into `folder`. */
export async function testedImage(folder: string): Promise<string> {
  const given = process.env.PAYFLOW_TEST_IMAGE ?? "";
  if (existsSync(given)) return given;
  const archive = path.join(folder, "image.tar");
  await buildImage(archive);
  return archive;
}
