import { existsSync } from "node:fs";
import { buildRelease, type ReleaseFiles, releaseFiles } from "../../release/build-release.ts";

/** What a release of this checkout has: the one that the test run built, else one that is built into `folder`. */
export async function testedRelease(folder: string): Promise<ReleaseFiles> {
  const given = releaseFiles(process.env.PAYFLOW_TEST_RELEASE ?? folder);
  return existsSync(given.checksums) ? given : buildRelease(folder);
}
