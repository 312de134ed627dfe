import { type Platform, platform } from "@payflow/one-machine/installation/apps.ts";

/** An installation of some apps with the databases they need, so that nothing else takes processor time. */
export function partOfPlatform(apps: readonly string[], databases: readonly string[] = apps): Platform {
  return {
    apps: platform.apps.filter((one) => apps.includes(one.name)),
    databases: platform.databases.filter((one) => databases.includes(one.name)),
  };
}
