import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { cacheDirectory } from "../cache-directory.ts";
import { javaBinary, mavenBinary } from "./java.ts";

const kafkaVersion = "4.3.1";

/** Copies what a project needs into a folder: maven.apache.org/plugins/maven-dependency-plugin. */
const copyDependencies = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

/** The broker with its dependencies, and the simplest of loggers, which writes to the standard error. */
const project = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>dev.payflow</groupId>
  <artifactId>kafka-broker</artifactId>
  <version>${kafkaVersion}</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>${kafkaVersion}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
`;

/**
 * The folder with Kafka's class files, fetched from the Maven repository at the first use and kept, one
 * folder a version. Fails with what Maven says.
 */
export function kafkaLibraries(): string {
  const target = path.join(cacheDirectory(), `kafka-${kafkaVersion}`);
  if (existsSync(target)) return target;
  javaBinary();
  const maven = mavenBinary();
  console.log(`Fetching Kafka ${kafkaVersion} with Maven …`);
  const draft = `${target}.${process.pid}`;
  mkdirSync(draft, { recursive: true });
  try {
    const projectFile = path.join(draft, "pom.xml");
    writeFileSync(projectFile, project);
    const fetched = spawnSync(
      maven,
      [
        ["--batch-mode", "--quiet", "--file", projectFile, copyDependencies],
        ["-DincludeScope=runtime", `-DoutputDirectory=${draft}`],
      ].flat(),
    );
    if (fetched.status !== 0) throw new Error(`Maven could not fetch Kafka:\n${lastLines(fetched)}`);
    renameSync(draft, target);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    // Renaming is atomic: whoever comes second throws its own copy away.
    if (!existsSync(target)) throw error;
  }
  return target;
}

function lastLines(run: { stdout: Buffer | null; stderr: Buffer | null; error?: Error }): string {
  if (run.error !== undefined) return run.error.message;
  return `${run.stdout}${run.stderr}`.trim().split("\n").slice(-10).join("\n");
}
