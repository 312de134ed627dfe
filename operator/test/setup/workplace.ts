import type {
  RunningInstallation,
  StartOptions,
} from "@payflow/one-machine/installation/start-installation.ts";
import { type TestCluster, testCluster } from "@payflow/testkit/kubernetes.ts";
import { startApps } from "./apps.ts";
import { installDefinitions, operatorAccount } from "./definitions.ts";
import { type OperatorOptions, OperatorProcess } from "./operator-process.ts";
import { Namespace } from "./resources.ts";

export interface WorkplaceOptions {
  readonly cluster?: TestCluster;
  /** How many namespaces the operators work in; one when left out. */
  readonly namespaces?: number;
  readonly apps?: Pick<StartOptions, "env" | "replicas">;
  /** Settings of every operator. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Real apps, a real API server and operators under their own account, in namespaces of a test's own. */
export class Workplace {
  readonly cluster: TestCluster;
  readonly apps: RunningInstallation;
  /** The operators' account. */
  readonly account: Awaited<ReturnType<typeof operatorAccount>>;
  /** Where the Lease is. */
  readonly home: string;
  readonly namespaces: readonly Namespace[];
  readonly operators: OperatorProcess[] = [];
  readonly #env: Readonly<Record<string, string>>;

  private constructor(
    made: Pick<Workplace, "cluster" | "apps" | "account" | "home" | "namespaces">,
    env: Readonly<Record<string, string>>,
  ) {
    this.cluster = made.cluster;
    this.apps = made.apps;
    this.account = made.account;
    this.home = made.home;
    this.namespaces = made.namespaces;
    this.#env = env;
  }

  /** Everything but operators. */
  static async make(options: WorkplaceOptions = {}): Promise<Workplace> {
    const cluster = options.cluster ?? (await testCluster());
    await installDefinitions(cluster);
    const [apps, home, ...namespaces] = await Promise.all([
      startApps(options.apps),
      cluster.namespace("payflow"),
      ...Array.from({ length: options.namespaces ?? 1 }, () => Namespace.make(cluster)),
    ]);
    const watched = namespaces.map(({ name }) => name);
    const account = await operatorAccount(cluster, { namespace: home, watched });
    return new Workplace({ cluster, apps, account, home, namespaces }, options.env ?? {});
  }

  /** The first namespace. */
  get shop(): Namespace {
    // One is made at least.
    return this.namespaces[0] as Namespace;
  }

  async startOperator(changes: Partial<OperatorOptions> = {}): Promise<OperatorProcess> {
    const operator = await OperatorProcess.start({
      apps: this.apps,
      kubeconfig: this.account.kubeconfig,
      namespace: this.home,
      watched: this.namespaces.map(({ name }) => name),
      ...changes,
      env: { ...this.#env, ...changes.env },
    });
    this.operators.push(operator);
    return operator;
  }

  /** Ends everything that was started. Throws where a secret stands in a log. */
  async close(): Promise<void> {
    await Promise.all(this.operators.map((one) => (one.isRunning() ? one.stop() : undefined)));
    await this.apps.stop();
  }
}
