import { BlockList, isIPv6 } from "node:net";
import { find, type KubernetesObject } from "./chart.ts";

/** One end of a connection: a pod by its labels and those of its namespace, or an address elsewhere. */
export interface End {
  readonly labels?: Readonly<Record<string, string>>;
  /** The release's own when left out. */
  readonly namespace?: Readonly<Record<string, string>>;
  readonly address?: string;
}

/** A component's pods, as their Deployment or StatefulSet labels them. */
export function podsOf(objects: readonly KubernetesObject[], name: string): End {
  const kind = ["postgresql", "redis-cache", "redis-durable", "kafka"].includes(name)
    ? "StatefulSet"
    : "Deployment";
  return { labels: find(objects, kind, `payflow-${name}`).spec.template.metadata.labels };
}

/**
 * Whether the policies among the objects let a connection come about, as the documentation of NetworkPolicy
 * says: who is chosen by a policy may be reached by, and reach, only what one of its rules names. Ports are
 * numbers, or the names that the target's containers give them.
 */
export function isLet(
  objects: readonly KubernetesObject[],
  from: End,
  to: End,
  port: number | string,
): boolean {
  const numberOf = (one: number | string) => (typeof one === "number" ? one : portNamed(objects, to, one));
  const isOneOf = (ports: readonly KubernetesObject[] | undefined) =>
    ports === undefined ||
    ports.some((one) => one.protocol === "TCP" && numberOf(one.port) === numberOf(port));
  const passes = (end: End, direction: "ingress" | "egress", other: End) => {
    const peers = direction === "ingress" ? "from" : "to";
    const policies = objects.filter((one) => one.kind === "NetworkPolicy" && isChosen(one, end));
    const rules = policies.flatMap(({ spec }) => spec[direction] ?? []);
    return (
      policies.length === 0 ||
      rules.some(
        (rule) =>
          isOneOf(rule.ports) &&
          (rule[peers] === undefined || rule[peers].some((peer: KubernetesObject) => isPeer(peer, other))),
      )
    );
  };
  return passes(from, "egress", to) && passes(to, "ingress", from);
}

/** Every policy of ours is for both directions. */
function isChosen({ spec }: KubernetesObject, end: End): boolean {
  if (spec.policyTypes.join() !== "Ingress,Egress") throw new Error("A policy is for one direction only.");
  return end.namespace === undefined && end.labels !== undefined && matches(spec.podSelector, end.labels);
}

function isPeer({ ipBlock, podSelector, namespaceSelector }: KubernetesObject, end: End): boolean {
  if (ipBlock !== undefined) {
    // Pods are not meant by addresses: some network plugins do not even look.
    const { address } = end;
    if (address === undefined) return false;
    const isIn = (cidr: string) => isWithin(address, cidr);
    return isIn(ipBlock.cidr) && !(ipBlock.except ?? []).some(isIn);
  }
  if (end.labels === undefined) return false;
  const isThere =
    namespaceSelector === undefined
      ? end.namespace === undefined
      : matches(namespaceSelector, end.namespace ?? {});
  return isThere && (podSelector === undefined || matches(podSelector, end.labels));
}

function matches(selector: KubernetesObject, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(selector.matchLabels ?? {}).every(([name, value]) => labels[name] === value);
}

function isWithin(address: string, cidr: string): boolean {
  const [network = "", bits] = cidr.split("/");
  const kind = (one: string) => (isIPv6(one) ? "ipv6" : "ipv4");
  if (kind(address) !== kind(network)) return false;
  const range = new BlockList();
  range.addSubnet(network, Number(bits), kind(network));
  return range.check(address, kind(address));
}

/** Of nobody, where the end's containers have no port of that name. */
function portNamed(objects: readonly KubernetesObject[], end: End, name: string): number {
  const templates = objects.flatMap(({ spec }) => spec?.template ?? []);
  const own = templates.find(({ metadata }) => Bun.deepEquals(metadata?.labels, end.labels));
  const ports: KubernetesObject[] = own?.spec.containers[0].ports ?? [];
  return ports.find((one) => one.name === name)?.containerPort ?? Number.NaN;
}
