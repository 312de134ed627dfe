import { runCommand } from "@payflow/one-machine/processes/run-command.ts";

interface Explanation {
  /** A check's id. */
  readonly check: string;
  /** The names of the objects that it is about. */
  readonly of: RegExp;
  readonly since: string;
}

/** What kube-score finds and we mean. */
export const explained: readonly Explanation[] = [
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

interface Scored {
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

/** What kube-score finds in manifests: check, object, and what it says. */
export async function findings(kubeScore: string, manifests: string): Promise<string[]> {
  const command = [kubeScore, "score", "--output-format", "json", "-"];
  const { stdout: text } = await runCommand(command, { input: manifests });
  // As kube-score writes it.
  const objects = JSON.parse(text) as Scored[];
  return objects.flatMap(({ object_name, checks }) =>
    checks
      .filter(({ grade, skipped }) => !skipped && grade < fine)
      .map(({ check, comments }) => {
        const said = (comments ?? []).map(({ path, summary }) => `${path} ${summary}`).join("; ");
        return `${check.id} ${object_name}: ${said}`;
      }),
  );
}

export const explains = ({ check, of }: Explanation, finding: string) =>
  finding.startsWith(`${check} `) && of.test(finding.split(" ")[1] ?? "");
