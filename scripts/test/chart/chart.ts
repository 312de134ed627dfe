import path from "node:path";
import { helmBinary } from "@payflow/one-machine/cluster/chart-tools.ts";
import { runCommand } from "@payflow/one-machine/processes/run-command.ts";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import { YAML } from "bun";

export const chartFolder = path.join(repositoryRoot, "charts/payflow");
export const examples = path.join(repositoryRoot, "examples");

/** Values as they would stand in a file of a user's. */
export type Values = Readonly<Record<string, unknown>>;

/** The least with which the chart renders: everything else has a default. */
export const leastValues = { kafka: { brokers: "kafka.example:9092" } };

// Tests look into objects of any kind, at the fields that they know.
// biome-ignore lint/suspicious/noExplicitAny: see above
export type KubernetesObject = any;

export interface Rendered {
  readonly exitCode: number;
  /** Documents as they would be sent. */
  readonly text: string;
  /** What Helm has to say where it refuses. */
  readonly problem: string;
}

/** Runs Helm, which reads `input` where it is told to read from `-`. */
export async function helm(
  words: readonly string[],
  input = "",
  environment: Readonly<Record<string, string>> = {},
): Promise<Rendered> {
  const env = { ...process.env, ...environment };
  const { exitCode, stdout, stderr } = await runCommand([await helmBinary(), ...words], { env, input });
  return { exitCode, text: stdout, problem: stderr };
}

export interface Rendering {
  readonly namespace?: string;
  readonly release?: string;
  /** Files that come before the values, as paths. */
  readonly files?: readonly string[];
}

/** `helm template` with these values, for a server of the oldest version that the chart allows. */
export function template(values: Values, options: Rendering = {}): Promise<Rendered> {
  const { namespace = "payments", release = "payflow", files = [] } = options;
  const words = ["template", release, chartFolder, "--namespace", namespace, "--kube-version", "1.30.0"];
  return helm([...words, ...[...files, "-"].flatMap((file) => ["--values", file])], JSON.stringify(values));
}

/** The objects that come out; throws what Helm says when it refuses. */
export async function objectsOf(values: Values, options: Rendering = {}): Promise<KubernetesObject[]> {
  const rendered = await template(values, options);
  if (rendered.exitCode !== 0) throw new Error(rendered.problem);
  return documents(rendered.text);
}

export function documents(text: string): KubernetesObject[] {
  const parsed = YAML.parse(text);
  return (Array.isArray(parsed) ? parsed : [parsed]).filter((one) => one !== null && one !== undefined);
}

/** The one object of this kind and name; throws where there is none or more. */
export function find(objects: readonly KubernetesObject[], kind: string, name: string): KubernetesObject {
  const found = objects.filter((one) => one.kind === kind && one.metadata.name === name);
  if (found.length !== 1) throw new Error(`There are ${found.length} of ${kind} ${name}.`);
  return found[0];
}

/** The names of all objects of a kind. */
export function names(objects: readonly KubernetesObject[], kind: string): string[] {
  return objects.filter((one) => one.kind === kind).map((one) => one.metadata.name);
}

export const deploymentOf = (objects: readonly KubernetesObject[], app: string): KubernetesObject =>
  find(objects, "Deployment", `payflow-${app}`);

export const podOf = (objects: readonly KubernetesObject[], app: string): KubernetesObject =>
  deploymentOf(objects, app).spec.template.spec;

export const containerOf = (objects: readonly KubernetesObject[], app: string): KubernetesObject =>
  podOf(objects, app).containers[0];

/** What the app's container is given, by name: a text, or where it comes from. */
export function environmentOf(objects: readonly KubernetesObject[], app: string): Record<string, unknown> {
  const { env } = containerOf(objects, app);
  return Object.fromEntries(
    env.map(({ name, value, valueFrom }: KubernetesObject) => [name, value ?? valueFrom]),
  );
}
