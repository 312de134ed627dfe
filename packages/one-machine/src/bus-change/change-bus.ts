import type { EventBus } from "@payflow/service-kit/bus/bus.ts";
import type { BusRecords } from "@payflow/service-kit/bus-change/bus-records.ts";
import { whatIsLeft } from "@payflow/service-kit/bus-change/empty-bus.ts";
import { groupsOf, openBusOf } from "@payflow/service-kit/bus-change/old-bus.ts";
import type { BusName } from "@payflow/service-kit/bus-change/recorded-bus.ts";

export interface BusChange {
  readonly from: BusName;
  readonly to: BusName;
  readonly records: BusRecords;
  /** The settings that lead to the old bus, as an app has them. */
  readonly oldBus: Readonly<Record<string, string>>;
  readonly apps: readonly string[];
  readonly deadlineMs: number;
  readonly isRunning: boolean;
  /** Whether the installation is being ended. */
  readonly isGivenUp: () => boolean;
  /** Starts the apps on the old bus, where they do not run. */
  readonly startApps: () => Promise<void>;
  readonly stopApps: () => Promise<void>;
  readonly say: (line: string) => void;
}

/**
 * Takes an installation from one bus to another: holds the relays, lets every group read what is left, ends
 * the apps, and records the new bus. Payments are taken meanwhile, and their events wait in the outboxes.
 * Throws when the old bus is not empty in time; everything is then as before.
 */
export async function changeBus(change: BusChange): Promise<void> {
  const { from, to, records, isRunning, startApps, stopApps, say } = change;
  const bus = await openBusOf(change.oldBus);
  let areStopped = !isRunning;
  try {
    say(`changing the bus from ${from} to ${to}: waiting until every group has read ${from} to its end`);
    await records.begin(from, to);
    const empty = { records, bus, groups: groupsOf(change.apps), isGivenUp: change.isGivenUp };
    if (!isRunning && (await whatIsLeft({ ...empty, deadlineMs: 0 })).length > 0) {
      await startApps();
      areStopped = false;
    }
    refuseUnlessEmpty(change, await whatIsLeft({ ...empty, deadlineMs: change.deadlineMs }));
    if (!areStopped) {
      areStopped = true;
      await stopApps();
      // Nothing of the apps is left that could still have been on its way to the bus.
      refuseUnlessEmpty(change, await whatIsLeft({ ...empty, deadlineMs: restMs }));
    }
    await tellDeadLetters(change, bus);
  } catch (error) {
    await records.giveUp();
    if (isRunning && areStopped) await startApps();
    throw error;
  } finally {
    await bus.close();
  }
  // A failure in here leaves the change begun, and the next start finishes it.
  await records.finish(to);
}

/** Leases of an app that was killed at the end of its time last so long at most, and some more. */
const restMs = 5_000;

function refuseUnlessEmpty({ from, to, deadlineMs }: BusChange, left: readonly string[]): void {
  if (left.length === 0) return;
  throw new Error(
    `The bus was not changed to ${to}, since ${from} is not empty after ${deadlineMs / 1_000} s: ` +
      `${left.join("; ")}. What was recorded stays ${from}; see ./payflow logs, and try again later.`,
  );
}

/** Dead letters belong to the bus that could not deliver them. */
async function tellDeadLetters({ from, apps, say }: BusChange, bus: EventBus): Promise<void> {
  for (const group of groupsOf(apps)) {
    const { letters } = await bus.deadLetters.list({ group, limit: 1 });
    if (letters.length === 0) continue;
    say(`dead letters of the group ${group} stay on ${from}; a change back shows them again`);
  }
}
