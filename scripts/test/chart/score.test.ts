import { beforeAll, expect, test } from "bun:test";
import { helmBinary, kubeScoreBinary } from "@payflow/one-machine/cluster/chart-tools.ts";
import { runCommand } from "@payflow/one-machine/processes/run-command.ts";
import { template } from "./chart.ts";
import { valueSets } from "./value-sets.ts";

const buildMs = 30 * 60_000;
const patienceMs = 300_000;
let kubeScore: string;

beforeAll(async () => {
  await helmBinary();
  kubeScore = await kubeScoreBinary();
}, buildMs);

/** What kube-score finds and we mean. Each is a check's id, of objects whose names match. */
const explained: readonly { readonly check: string; readonly of: RegExp; readonly since: string }[] = [
  {
    check: "container-image-pull-policy",
    of: /./,
    since:
      "An image is named by digest or by a version that does not move; asking for it again at each start adds an outage.",
  },
  {
    check: "container-resources",
    of: /./,
    since: "A limit of processors slows an app down while the node has time to spare. Memory is limited.",
  },
  {
    check: "deployment-has-host-podantiaffinity",
    of: /./,
    since: "Topology constraints spread pods over hosts and zones, and are heeded as the values say.",
  },
  {
    check: "deployment-replicas",
    of: /./,
    since:
      "Where an autoscaler owns the number, none is rendered; a trial has one replica because it is one.",
  },
  {
    check: "container-security-context-user-group-id",
    of: /postgresql|redis|kafka/,
    since: "The images of a trial's stores have their files owned by the low ids that they were built with.",
  },
  {
    check: "statefulset-has-servicename",
    of: /postgresql|redis|kafka/,
    since: "The Service has an address, so that a URL holds it; a single pod needs no name of its own.",
  },
  {
    check: "pod-probes-identical",
    of: /postgresql|redis|kafka/,
    since: "A trial's store that takes connections is alive, and ready.",
  },
];

interface Finding {
  readonly object_name: string;
  readonly checks: readonly {
    readonly check: { readonly id: string };
    readonly grade: number;
    readonly skipped: boolean;
    readonly comments: readonly { readonly path: string; readonly summary: string }[] | null;
  }[];
}

/** kube-score's grade for what is as it should be. */
const fine = 10;

async function findings(manifests: string): Promise<string[]> {
  const command = [kubeScore, "score", "--output-format", "json", "-"];
  const { stdout: text } = await runCommand(command, { input: manifests });
  // As kube-score writes it.
  const objects = JSON.parse(text) as Finding[];
  return objects.flatMap(({ object_name, checks }) =>
    checks
      .filter(({ grade, skipped }) => !skipped && grade < fine)
      .map(
        ({ check, comments }) =>
          `${check.id} ${object_name}: ${(comments ?? []).map(({ path, summary }) => `${path} ${summary}`).join("; ")}`,
      ),
  );
}

const isExplained = (finding: string) =>
  explained.some(({ check, of }) => finding.startsWith(`${check} `) && of.test(finding.split(" ")[1] ?? ""));

test(
  "kube-score finds nothing that is not explained here, and everything explained is found",
  async () => {
    const all: string[] = [];
    for (const { values, files = [] } of valueSets) {
      const { text } = await template(values, { files });
      // Whoever turns network policies off means it.
      const hasNone = JSON.stringify(values).includes('"networkPolicy":{"enabled":false}');
      all.push(...(await findings(text)).filter((one) => !hasNone || !one.startsWith("pod-networkpolicy ")));
    }
    expect([...new Set(all.filter((finding) => !isExplained(finding)))]).toEqual([]);
    const idle = explained.filter(
      ({ check, of }) => !all.some((one) => one.startsWith(`${check} `) && of.test(one)),
    );
    expect(idle).toEqual([]);
  },
  patienceMs,
);

test(
  "a container that may do anything is found",
  async () => {
    const { text } = await template(valueSets[0]?.values ?? {});
    const found = await findings(
      text.replaceAll("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"),
    );
    expect(found.filter((one) => !isExplained(one))[0]).toContain(
      "container-security-context-readonlyrootfilesystem",
    );
  },
  patienceMs,
);
