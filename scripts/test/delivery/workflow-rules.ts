import { YAML } from "bun";

/** A workflow as GitHub reads it; what a file may leave out is missing here too. */
export interface Workflow {
  readonly file: string;
  readonly text: string;
  readonly on: Readonly<Record<string, unknown>>;
  readonly permissions?: unknown;
  readonly concurrency?: { readonly group?: string };
  readonly jobs: Readonly<Record<string, WorkflowJob>>;
}

interface WorkflowJob {
  readonly permissions?: Readonly<Record<string, string>>;
  readonly environment?: unknown;
  readonly "timeout-minutes"?: number;
  readonly steps?: readonly Step[];
}

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, unknown>>;
}

/** A policy that every workflow keeps, with one that breaks it, which proves that it can fail. */
export interface WorkflowRule {
  readonly name: string;
  readonly check: (workflows: readonly Workflow[]) => string[];
  /** Replaces text of a workflow that keeps all rules. */
  readonly planted: readonly [from: string | RegExp, to: string];
}

export function parseWorkflow(file: string, text: string): Workflow {
  // GitHub's own form, of which the rules read a few fields.
  const parsed = YAML.parse(text) as Omit<Workflow, "file" | "text">;
  return { ...parsed, file, text, on: parsed.on ?? {} };
}

const jobsOf = (workflow: Workflow) =>
  Object.entries(workflow.jobs).map(([name, job]) => ({ name: `${workflow.file} ${name}`, job }));
const stepsOf = (workflow: Workflow) =>
  jobsOf(workflow).flatMap(({ name, job }) => (job.steps ?? []).map((step) => ({ name, job, step })));
const runsForPullRequests = (workflow: Workflow) => "pull_request" in workflow.on;
const writesOf = (job: WorkflowJob) =>
  Object.entries(job.permissions ?? {}).flatMap(([scope, right]) => (right === "write" ? [scope] : []));

const pinned: WorkflowRule = {
  name: "every action is pinned to a full commit, with its version beside it",
  check: (workflows) =>
    workflows.flatMap(({ file, text }) =>
      text
        .split("\n")
        .filter((line) => /^\s*(- )?uses:/.test(line))
        .filter((line) => !/uses: [\w-]+\/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(line))
        .map((line) => `${file}: ${line.trim()}`),
    ),
  planted: [/actions\/checkout@[0-9a-f]{40} # v[\d.]+/, "actions/checkout@v6"],
};

const oneCommit: WorkflowRule = {
  name: "an action has one commit everywhere",
  check: (workflows) => {
    const commits = new Map<string, Set<string>>();
    for (const { text } of workflows) {
      for (const [, action = "", pin = ""] of text.matchAll(/uses: ([\w-]+\/[\w-]+)[\w./-]*@(.*)$/gm)) {
        commits.set(action, (commits.get(action) ?? new Set()).add(pin));
      }
    }
    return [...commits].filter(([, pins]) => pins.size > 1).map(([action]) => action);
  },
  planted: [/actions\/checkout@de0fac2e/, "actions/checkout@ee0fac2e"],
};

const noRights: WorkflowRule = {
  name: "a workflow has no rights, and each job says which it has",
  check: (workflows) =>
    workflows.flatMap((workflow) => [
      ...(/^permissions: \{\}$/m.test(workflow.text) ? [] : [`${workflow.file}: permissions: {}`]),
      ...jobsOf(workflow)
        .filter(({ job }) => job.permissions === undefined && (job.steps ?? []).some(({ uses }) => uses))
        .map(({ name }) => `${name}: which rights?`),
    ]),
  planted: ["permissions: {}", "permissions: write-all"],
};

const noTarget: WorkflowRule = {
  name: "nothing runs a stranger's code with our rights",
  check: (workflows) =>
    workflows
      .filter(({ on }) => "pull_request_target" in on || "workflow_run" in on)
      .map(({ file }) => `${file}: pull_request_target or workflow_run`),
  planted: ["  pull_request:", "  pull_request_target:"],
};

const noSecrets: WorkflowRule = {
  name: "no job that a pull request starts has a secret",
  check: (workflows) =>
    workflows.filter(runsForPullRequests).flatMap(({ file, text }) =>
      text
        .split("\n")
        .filter((line) => /secrets[.[]|secrets: *inherit/.test(line))
        .map((line) => `${file}: ${line.trim()}`),
    ),
  // biome-ignore lint/suspicious/noTemplateCurlyInString: this is GitHub's own form
  planted: ["run: ./payflow --help", "run: echo ${{ secrets.TOKEN }}"],
};

const noWriting: WorkflowRule = {
  name: "what a pull request starts writes only findings, or a comment without having its code",
  check: (workflows) =>
    workflows
      .filter(runsForPullRequests)
      .flatMap(jobsOf)
      .filter(({ job }) => {
        const writes = writesOf(job).filter((scope) => scope !== "security-events");
        const hasCode = (job.steps ?? []).some(({ uses }) => uses?.startsWith("actions/checkout@"));
        return writes.some((scope) => scope !== "pull-requests") || (writes.length > 0 && hasCode);
      })
      .map(({ name }) => `${name} may write`),
  planted: ["      contents: read\n", "      contents: write\n"],
};

const oneCloudJob: WorkflowRule = {
  name: "one job gets rights in AWS, in an environment, and identities are for releases alone",
  check: (workflows) => {
    const inCloud = workflows
      .flatMap(stepsOf)
      .filter(({ step }) => step.uses?.startsWith("aws-actions/configure-aws-credentials@"));
    const identified = workflows
      .filter(({ file }) => file !== "release.yml")
      .flatMap(jobsOf)
      .filter(({ job }) => job.permissions?.["id-token"] === "write");
    return [
      ...inCloud.slice(1).map(({ name }) => `${name} is another job with rights in AWS`),
      ...inCloud
        .filter(({ job }) => job.environment === undefined)
        .map(({ name }) => `${name}: environment?`),
      ...identified.map(({ name }) => `${name} has an identity`),
    ];
  },
  planted: ["      contents: read\n", "      contents: read\n      id-token: write\n"],
};

const noInjection: WorkflowRule = {
  name: "scripts take values from the environment, where nothing can become a command",
  check: (workflows) =>
    workflows
      .flatMap(stepsOf)
      .filter(({ step }) => step.run?.includes("${{"))
      .map(({ name, step }) => `${name}: ${step.run}`),
  // biome-ignore lint/suspicious/noTemplateCurlyInString: this is GitHub's own form
  planted: ["run: ./payflow --help", "run: echo ${{ github.head_ref }}"],
};

const keptCredentials: WorkflowRule = {
  name: "a checkout says whether it leaves its credentials behind, and only the job that pushes does",
  check: (workflows) =>
    workflows
      .flatMap(stepsOf)
      .filter(({ step }) => step.uses?.startsWith("actions/checkout@"))
      .filter(({ step, job }) => {
        const isKept = step.with?.["persist-credentials"];
        return isKept === undefined || (isKept === true && job.permissions?.contents !== "write");
      })
      .map(({ name }) => `${name}: persist-credentials`),
  planted: ["          persist-credentials: false\n", "          persist-credentials: true\n"],
};

const bounded: WorkflowRule = {
  name: "workflows have a concurrency group, and jobs a time-out",
  check: (workflows) =>
    workflows.flatMap((workflow) => [
      ...(workflow.concurrency?.group === undefined ? [`${workflow.file}: concurrency`] : []),
      ...jobsOf(workflow)
        .filter(({ job }) => job["timeout-minutes"] === undefined)
        .map(({ name }) => `${name}: timeout-minutes`),
    ]),
  planted: [/ {4}timeout-minutes: \d+\n/, ""],
};

export const workflowRules = [
  ...[pinned, oneCommit, noRights, noTarget, noSecrets],
  ...[noWriting, oneCloudJob, noInjection, keptCredentials, bounded],
];
