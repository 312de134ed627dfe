import { readFileSync } from "node:fs";
import path from "node:path";

/** What a test file may need that takes long to get, in the order in which it is made. */
export const needs = [
  "kafka",
  "definitions",
  "kubernetes",
  "helm",
  "release",
  "kube-score",
  "promtool",
  "actionlint",
  "node",
  "k6",
] as const;

export type Need = (typeof needs)[number];

const onNode = (file: string) => file.startsWith("scripts/test/node/");

/** By what a file is about, which its path says, and by what it imports. */
const tells: Readonly<Record<Need, (file: string, text: string) => boolean>> = {
  kafka: (file, text) => file.includes("kafka") || text.includes("/testkit/kafka.ts"),
  // The operator's may import it by way of others; those on a node start a whole cluster of their own.
  kubernetes: (file, text) =>
    file.startsWith("operator/") ||
    file.includes("kubernetes") ||
    (!onNode(file) && /\/testkit\/kubernetes\.ts"|\/one-machine\/cluster\/(?!chart-tools|node\/)/.test(text)),
  node: onNode,
  release: (file) => onNode(file) || file.startsWith("scripts/test/image/"),
  // A release has the chart as Helm packages it.
  helm: (file, text) =>
    onNode(file) ||
    file.startsWith("scripts/test/image/") ||
    file.startsWith("scripts/test/chart/") ||
    text.includes('/chart.ts"'),
  "kube-score": (_, text) => text.includes("kubeScoreBinary"),
  promtool: (_, text) => text.includes("promtoolBinary"),
  definitions: (_, text) => text.includes('/dry-run.ts"'),
  actionlint: (_, text) => text.includes("actionlintBinary"),
  k6: (file) => file.startsWith("scripts/test/loadtest/"),
};

/** What a file with servers needs, given by its path from the root. */
export function needsOf(root: string, file: string): Need[] {
  const text = readFileSync(path.join(root, file), "utf8");
  return needs.filter((need) => tells[need](file, text));
}
