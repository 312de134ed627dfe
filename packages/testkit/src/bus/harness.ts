import type { EventBus } from "@payflow/service-kit/bus/bus.ts";

/** What an adapter of the event bus brings to `busContractSuite`. */
export interface BusHarness {
  /**
   * The path of a module that exports `openBus: OpenTestBus`. It is loaded by the tests and by replicas in
   * processes of their own.
   */
  readonly adapter: string;
  /** Settings, as text for the adapter alone, of a bus without any events yet. */
  newSpace(): Promise<string>;
  /** Ends the broker as a crash would; what it acknowledged is there again after `startBroker`. */
  stopBroker(): Promise<void>;
  startBroker(): Promise<void>;
  close(): Promise<void>;
}

/** Opens a bus with every app installed. The service's name tells replicas apart in logs. */
export type OpenTestBus = (settings: string, service: string) => Promise<EventBus>;

/** The adapter's function, from its module. */
export async function loadAdapter(path: string): Promise<OpenTestBus> {
  const module: unknown = await import(path);
  if (typeof module !== "object" || module === null || !("openBus" in module)) {
    throw new Error(`${path} exports no openBus`);
  }
  // The harness promises the function's form.
  return module.openBus as OpenTestBus;
}
