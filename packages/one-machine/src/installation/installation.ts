import path from "node:path";
import type { BusName } from "@payflow/service-kit/bus-change/recorded-bus.ts";
import { moveToBus } from "../bus-change/move-to-bus.ts";
import { identify, type ProcessSpec } from "../processes/child.ts";
import { Supervisor } from "../processes/supervisor.ts";
import { prepareDatabases } from "../stores/databases.ts";
import { initializePostgres } from "../stores/postgres.ts";
import { type AppDefinition, findApp, type Platform, replicasOf, platform as wholePlatform } from "./apps.ts";
import type { Wiring } from "./environment.ts";
import { checkPorts, checkSettings, PortPlan } from "./port-plan.ts";
import {
  appProcess,
  isStoreProcess,
  postgresDirectory,
  processName,
  type StoreName,
  storeProcess,
  storeProcessName,
} from "./process-specs.ts";
import { loadSecrets, type Secrets } from "./secrets.ts";
import { messageOf, settleAll } from "./settle.ts";
import {
  endLeftovers,
  lockState,
  makeStateFolder,
  type RecordedProcess,
  type RunRecord,
  removeRunRecord,
  type Settings,
  unlockState,
  writeRunRecord,
} from "./state.ts";

export interface InstallationOptions {
  readonly state: string;
  readonly settings: Settings;
  /** The apps and databases; the whole platform when left out. */
  readonly platform?: Platform;
  /** Settings of one replica that differ from the usual ones. */
  readonly environment?: (app: string, replica: number) => Readonly<Record<string, string>>;
  /** Whether PostgreSQL waits for the disk; it does when left out. */
  readonly isDurable?: boolean;
  /** Told one short line for each step of starting. */
  readonly say?: (line: string) => void;
  /** How long a change of bus waits for the old one to be read to its end; 60 seconds when left out. */
  readonly busChangeMs?: number;
}

/** The stores and apps of one state folder, as children of this process; Kafka only where it is the bus. */
export class Installation {
  readonly state: string;
  readonly platform: Platform;
  readonly secrets: Secrets;
  readonly #options: InstallationOptions;
  readonly #supervisor: Supervisor;
  #settings: Settings;
  /** The one in use: during a change, still the old one. */
  #bus: BusName;
  #phase: RunRecord["phase"] = "starting";
  #problem: string | null = null;
  #changes = 0;
  /** Whether the last change could not be written down. */
  #isRecordOld = false;
  #isStopping = false;
  #isStopped = false;
  /** The start or change under way, or the last one. */
  #work: Promise<void> = Promise.resolve();

  constructor(options: InstallationOptions) {
    this.state = path.resolve(options.state);
    this.platform = options.platform ?? wholePlatform;
    this.#options = options;
    this.#settings = options.settings;
    this.#bus = options.settings.bus;
    makeStateFolder(this.state);
    lockState(this.state);
    this.secrets = loadSecrets(this.state, this.platform.databases);
    this.#supervisor = new Supervisor(() => this.#record());
  }

  get settings(): Settings {
    return this.#settings;
  }

  get ports(): PortPlan {
    return new PortPlan(this.#settings.portBase);
  }

  get wiring(): Wiring {
    return { platform: this.platform, ports: this.ports, secrets: this.secrets, bus: this.#bus };
  }

  /** Starts everything and waits until all of it is ready. When a part fails, ends the rest and says why. */
  start(): Promise<void> {
    this.#work = this.#start();
    return this.#work;
  }

  async #start(): Promise<void> {
    await endLeftovers(this.state);
    this.#phase = "starting";
    try {
      checkSettings(this.#settings);
      await checkPorts(this.platform.apps, this.#settings, new Map());
      await this.#startStores();
      await this.#moveToBus(this.#settings.bus, false);
      await this.#startMissing();
    } catch (error) {
      await this.#endProcesses();
      this.#phase = "failed";
      this.#problem = messageOf(error);
      this.#record();
      unlockState(this.state);
      throw error;
    }
    this.#phase = "running";
    this.#record();
  }

  /**
   * Brings a running installation to other settings: replicas come and go, another port base moves
   * everything, another bus takes over once the old one is empty. With settings that cannot work it stays as
   * it is. The run record tells the outcome; nothing
   * is thrown.
   */
  apply(settings: Settings): Promise<void> {
    this.#work = this.#apply(settings);
    return this.#work;
  }

  async #apply(settings: Settings): Promise<void> {
    this.#problem = null;
    try {
      checkSettings(settings);
      await checkPorts(this.platform.apps, settings, this.ports.all(this.platform.apps, this.#settings));
      if (settings.bus !== this.#bus) await this.#moveToBus(settings.bus, true);
      this.#phase = "starting";
      if (settings.portBase !== this.#settings.portBase) await this.#endProcesses();
      await this.#endSurplus(settings);
      this.#settings = settings;
      await this.#startMissing();
      this.#phase = "running";
    } catch (error) {
      if (this.#phase === "starting") this.#phase = "failed";
      this.#problem = messageOf(error);
    }
    this.#changes += 1;
    this.#record();
  }

  /** Ends everything, apps before stores. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#endProcesses();
    // Whatever was being started fails now; only then is it certain that nothing comes after.
    await this.#work.catch(() => {});
    await this.#endProcesses();
    this.#isStopped = true;
    removeRunRecord(this.state);
    unlockState(this.state);
  }

  /** What runs, with its process numbers. */
  processes(): RecordedProcess[] {
    return this.#supervisor.processes().map((one) => ({
      ...one,
      stopSignal: this.#supervisor.spec(one.name)?.stopSignal ?? "SIGTERM",
    }));
  }

  /** One replica, counted from 1. */
  process(app: string, replica = 1): RecordedProcess | undefined {
    return this.processes().find(({ name }) => name === `${app}-${replica}`);
  }

  /** Sends a signal to a replica; one that ends by it is started again by the supervisor. */
  kill(app: string, replica: number, signal: NodeJS.Signals): void {
    this.#supervisor.kill(`${app}-${replica}`, signal);
  }

  /** Ends a replica and leaves it ended until `startApp`. Its exit status; null when it was not running. */
  stopApp(app: string, replica = 1, signal?: NodeJS.Signals): Promise<number | null> {
    return this.#supervisor.stop(`${app}-${replica}`, signal);
  }

  async startApp(app: string, replica = 1): Promise<void> {
    await this.#supervisor.start(this.#appProcess(findApp(this.platform, app), replica));
  }

  /** Ends a store and leaves it ended until `startStore`. */
  async stopStore(store: StoreName, signal?: NodeJS.Signals): Promise<void> {
    await this.#supervisor.stop(storeProcessName[store], signal);
  }

  async startStore(store: StoreName): Promise<void> {
    await this.#supervisor.start(this.#storeProcess(store));
  }

  async #startMissing(): Promise<void> {
    if (!this.#supervisor.has(storeProcessName.postgres)) await this.#startStores();
    const missing = replicasOf(this.platform, this.#settings).filter(
      ({ app, replica }) => !this.#supervisor.has(processName(app, replica)),
    );
    await settleAll(missing.map(({ app, replica }) => this.#startOne(this.#appProcess(app, replica))));
  }

  #moveToBus(wanted: BusName, isRunning: boolean): Promise<void> {
    return moveToBus(wanted, this, {
      isRunning,
      isGivenUp: () => this.#isStopping,
      deadlineMs: this.#options.busChangeMs ?? 60_000,
      use: (bus) => {
        this.#bus = bus;
      },
      startApps: () => this.#startMissing(),
      stopApps: () => this.#endProcesses((name) => !isStoreProcess(name)),
      say: (line) => this.#options.say?.(line),
    });
  }

  async #endSurplus(settings: Settings): Promise<void> {
    const names = (of: Settings) =>
      replicasOf(this.platform, of).map((one) => processName(one.app, one.replica));
    const surplus = new Set(names(this.#settings)).difference(new Set(names(settings)));
    await Promise.all([...surplus].map((name) => this.#supervisor.stop(name)));
  }

  async #startStores(): Promise<void> {
    const data = postgresDirectory(this.state, this.secrets);
    initializePostgres(data, this.secrets.postgresPassword, this.#options.isDurable);
    const stores: StoreName[] = ["postgres", "cache", "durable"];
    if (this.#bus === "kafka") stores.push("kafka");
    // Without a Redis or a Java to be found this fails, and must do so before any has been started.
    const specs = stores.map((store) => this.#storeProcess(store));
    await settleAll(specs.map((spec) => this.#startOne(spec)));
    await this.#timed("databases", () =>
      prepareDatabases(
        {
          port: this.ports.postgres,
          password: this.secrets.postgresPassword,
          rolePasswords: this.secrets.rolePasswords,
        },
        this.platform.databases,
      ),
    );
  }

  async #startOne(spec: ProcessSpec): Promise<void> {
    if (this.#isStopping) throw new Error(`${spec.name} is not started, since everything is being ended.`);
    return this.#timed(spec.name, () => this.#supervisor.start(spec));
  }

  async #timed(what: string, run: () => Promise<void>): Promise<void> {
    const start = performance.now();
    await run();
    this.#options.say?.(`${what} ready (${((performance.now() - start) / 1_000).toFixed(1)} s)`);
  }

  /** Ends these, apps before stores. */
  async #endProcesses(isMeant: (name: string) => boolean = () => true): Promise<void> {
    const names = this.processes()
      .map(({ name }) => name)
      .filter(isMeant);
    for (const areStores of [false, true]) {
      const group = names.filter((name) => isStoreProcess(name) === areStores);
      await Promise.all(group.map((name) => this.#supervisor.stop(name)));
    }
  }

  #storeProcess(store: StoreName): ProcessSpec {
    return storeProcess(this.state, this.wiring, store, this.#options.isDurable ?? true);
  }

  #appProcess(app: AppDefinition, replica: number): ProcessSpec {
    const changes = this.#options.environment?.(app.name, replica);
    return appProcess(this.state, this.wiring, app, replica, changes);
  }

  #record(): void {
    const supervisor = identify(process.pid);
    if (supervisor === null || this.#isStopped) return;
    try {
      writeRunRecord(this.state, {
        supervisor,
        phase: this.#phase,
        settings: this.#settings,
        processes: this.processes(),
        changes: this.#changes,
        problem: this.#problem,
      });
      this.#isRecordOld = false;
    } catch (error) {
      // A full disk must not end the apps: they refuse what they cannot store, and go on.
      if (!this.#isRecordOld) console.error(`payflow: the run record could not be written: ${error}`);
      this.#isRecordOld = true;
    }
  }
}
