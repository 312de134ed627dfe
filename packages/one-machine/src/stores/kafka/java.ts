import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { installPackages } from "../redis-binary.ts";

const oldestMajor = 17;
let found: string | undefined;

/**
 * A `java` of version 17 or later: that of JAVA_HOME, the one on the PATH, else the one that apt-get installs
 * when this is root on Debian or Ubuntu. Fails with the command to run.
 */
export function javaBinary(): string {
  found ??= present() ?? installed();
  return found;
}

/** Maven, which fetches Kafka: the one on the PATH, else the one that apt-get installs. */
export function mavenBinary(): string {
  const binary = Bun.which("mvn");
  if (binary !== null) return binary;
  if (!mayInstall()) throw new Error(`Maven is missing, which fetches Kafka. ${howToInstall("maven")}`);
  console.log("Installing maven with apt-get …");
  installPackages(["maven"]);
  const made = Bun.which("mvn");
  if (made === null) throw new Error(`apt-get installed no mvn. ${howToInstall("maven")}`);
  return made;
}

function present(): string | null {
  const home = process.env.JAVA_HOME;
  const binary = home ? path.join(home, "bin/java") : Bun.which("java");
  if (binary === null || !existsSync(binary)) return null;
  const major = majorVersion(binary);
  if (major >= oldestMajor) return binary;
  throw new Error(
    `${binary} is version ${major}, and Kafka needs Java ${oldestMajor} or later. ` +
      "Put a newer java first on the PATH, or name its folder in JAVA_HOME.",
  );
}

function majorVersion(binary: string): number {
  const answer = spawnSync(binary, ["-version"]).stderr.toString();
  return Number(/version "(\d+)/.exec(answer)?.[1] ?? 0);
}

function installed(): string {
  const wanted = `openjdk-${oldestMajor}-jre-headless`;
  if (!mayInstall()) throw new Error(`Java is missing, which Kafka runs on. ${howToInstall(wanted)}`);
  console.log("Installing Java with apt-get …");
  try {
    installPackages([wanted]);
  } catch {
    // A newer release of the system brings a newer Java alone.
    installPackages(["default-jre-headless"]);
  }
  const binary = present();
  if (binary === null) throw new Error(`apt-get installed no java. ${howToInstall(wanted)}`);
  return binary;
}

const hasApt = () => existsSync("/etc/debian_version") && Bun.which("apt-get") !== null;
const mayInstall = () => process.getuid?.() === 0 && hasApt();

function howToInstall(debianPackage: string): string {
  if (hasApt()) return `Run: sudo apt-get install ${debianPackage}`;
  if (process.platform === "darwin") return `Run: brew install ${debianPackage.split("-")[0]}`;
  return `Install it with your system's package manager: Java ${oldestMajor} or later, and Maven.`;
}
