import { readFileSync } from "node:fs";
import path from "node:path";
import type { RunningInstallation } from "@payflow/one-machine/installation/start-installation.ts";
import { spawnChild } from "@payflow/one-machine/processes/child.ts";
import { reservePort } from "@payflow/one-machine/processes/ports.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { temporaryFolder } from "@payflow/testkit/temporary-folder.ts";

export interface OperatorOptions {
  readonly apps: RunningInstallation;
  /** Of the account it runs under. */
  readonly kubeconfig: string;
  /** Where its Lease is. */
  readonly namespace: string;
  /** Those whose resources it looks at; all when left out. */
  readonly watched?: readonly string[];
  /** Settings that differ from the usual ones. */
  readonly env?: Readonly<Record<string, string>>;
}

let count = 0;

/** The operator as a process of its own, as it runs in a cluster. */
export class OperatorProcess {
  readonly name: string;
  readonly logFile: string;
  readonly #url: string;
  readonly #child: Bun.Subprocess;

  private constructor(name: string, port: number, options: OperatorOptions) {
    const { apps, kubeconfig, namespace, watched = [], env = {} } = options;
    this.name = name;
    this.logFile = path.join(temporaryFolder(), `${name}.log`);
    this.#url = `http://127.0.0.1:${port}`;
    this.#child = spawnChild({
      name,
      command: [process.execPath, path.join(import.meta.dir, "../../src/main.ts")],
      cwd: path.join(import.meta.dir, "../.."),
      logFile: this.logFile,
      user: null,
      stopSignal: "SIGTERM",
      // A test may have frozen it.
      deathSignal: "SIGKILL",
      stopTimeoutMs: 30_000,
      isReady: () => this.isReady(),
      env: {
        PATH: process.env.PATH ?? "",
        HOME: temporaryFolder(),
        HOST: "127.0.0.1",
        KUBECONFIG: kubeconfig,
        OPERATOR_NAMESPACE: namespace,
        POD_NAME: name,
        CLUSTER_NAME: namespace,
        WATCH_NAMESPACES: watched.join(),
        INTERNAL_PORT: `${port}`,
        TENANT_SERVICE_URL: apps.internalUrl("tenant"),
        NOTIFIER_SERVICE_URL: apps.internalUrl("notifier"),
        FRAUD_SERVICE_URL: apps.internalUrl("fraud"),
        INTERNAL_SERVICE_SECRET: apps.secrets.internalServiceSecret,
        ...env,
      },
    });
  }

  /** Starts one and waits until its caches are filled. */
  static async start(options: OperatorOptions): Promise<OperatorProcess> {
    count += 1;
    const operator = new OperatorProcess(`operator-${process.pid}-${count}`, await reservePort(), options);
    await eventually(
      // One that is to freeze may do so before it was asked, and one that is to end may have ended.
      async () => !operator.isRunning() || operator.isFrozen() || (await operator.isReady()),
      { timeoutMs: 150_000, everyMs: 50 },
    );
    if (!operator.isRunning()) throw new Error(`it has ended:\n${await operator.log()}`);
    return operator;
  }

  isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async isReady(): Promise<boolean> {
    return (await this.#ask("/readyz"))?.ok ?? false;
  }

  /** Whether it stands still, by whoever's signal. */
  isFrozen(): boolean {
    const line = readFileSync(`/proc/${this.#child.pid}/stat`, "utf8");
    // The state follows the command's name, which may hold brackets (proc(5)).
    return line.slice(line.lastIndexOf(")") + 2).startsWith("T");
  }

  /** Whether it says of itself that it leads; one that stands still says nothing. */
  async isLeading(): Promise<boolean> {
    return /^leader_election_master_status\{[^}]*\} 1$/m.test(await this.metrics());
  }

  async metrics(): Promise<string> {
    return (await (await this.#ask("/metrics"))?.text()) ?? "";
  }

  /** Undefined where it does not answer. */
  #ask(path: string): Promise<Response | undefined> {
    return fetch(this.#url + path, { signal: AbortSignal.timeout(2_000) }).catch(() => undefined);
  }

  log(): Promise<string> {
    return Bun.file(this.logFile).text();
  }

  pause(): void {
    this.#child.kill("SIGSTOP");
  }

  resume(): void {
    this.#child.kill("SIGCONT");
  }

  /** Ends it as a crash does. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }

  /** Lets it end by itself; its exit status. */
  async stop(): Promise<number> {
    this.#child.kill("SIGCONT");
    this.#child.kill("SIGTERM");
    return this.#child.exited;
  }
}
