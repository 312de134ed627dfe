import { afterAll, expect, test } from "bun:test";
import { createLogger } from "@payflow/service-kit/telemetry/logging.ts";
import { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import { startElection } from "../../src/kubernetes/election/election.ts";
import { formatFencingToken, type Lease } from "../../src/kubernetes/election/lease-record.ts";
import type { Term } from "../../src/kubernetes/election/term.ts";
import type { ResourceKind } from "../../src/kubernetes/objects/object.ts";
import { status } from "./api-answers.ts";
import { FakeApiServer } from "./fake-api-server.ts";
import { connectTo, serve } from "./plain-connection.ts";

const logger = createLogger("test", "silent");
const timing = { leaseMs: 1_000, renewMs: 600, everyMs: 50 };
const leasesPath = "/apis/coordination.k8s.io/v1/leases";
const notes: ResourceKind = {
  ...{ group: "", version: "v1", plural: "notes", kind: "Note", isNamespaced: true },
};
const closing: (() => unknown)[] = [];

afterAll(async () => {
  for (const close of closing.reverse()) await close();
});

interface Stretch {
  readonly who: string;
  readonly token: string;
  readonly from: number;
  to: number;
}

/** A server with candidates, and who led when. */
function campaign() {
  const server = new FakeApiServer();
  const listener = serve(server);
  closing.push(listener.stop);
  const led: Stretch[] = [];
  function candidate(who: string, url = listener.url, now?: () => number) {
    const metrics = new Metrics("test");
    const client = connectTo(url, { metrics, logger });
    let term: Term | undefined;
    const election = startElection({
      ...{ client, lease: { namespace: "a", name: "leader" }, identity: who, logger, metrics, timing },
      ...(now === undefined ? {} : { now }),
      lead(begun) {
        term = begun;
        const stretch = {
          who,
          token: formatFencingToken(begun.token),
          from: performance.now(),
          to: Infinity,
        };
        led.push(stretch);
        return new Promise((resolve) => {
          begun.signal.addEventListener("abort", () => {
            stretch.to = performance.now();
            resolve();
          });
        });
      },
    });
    closing.push(() => election.stop());
    return { who, election, metrics, client, term: () => term };
  }
  const lease = () => server.stored(leasesPath).get("a/leader") as Lease | undefined;
  return { server, url: listener.url, led, candidate, lease };
}

/** No two stretches of leading have a moment in common, and each token is newer than the one before. */
function expectOneAtATime(led: readonly Stretch[]): void {
  for (const [index, stretch] of led.entries()) {
    const next = led[index + 1];
    if (next === undefined) return;
    expect(stretch.to).toBeLessThanOrEqual(next.from);
    const number = (token: string) => Number(token.split(":").at(-1));
    expect(number(next.token)).toBeGreaterThan(number(stretch.token));
  }
}

test("of three candidates one leads, and when it stops another follows without waiting for the lease's end", async () => {
  const { led, candidate, lease, server } = campaign();
  const three = ["one", "two", "three"].map((who) => candidate(who));
  await eventually(() => led.length === 1);
  expect(lease()?.spec?.renewTime).toMatch(/\.\d{6}Z$/);
  const leader = three.find(({ election }) => election.isLeading());
  expect(leader?.who).toBe(led[0]?.who ?? "");
  expect(await leader?.metrics.text()).toMatch(/leader_election_master_status\{name="leader",[^}]*\} 1/);
  await leader?.election.stop();
  expect(await leader?.metrics.text()).toMatch(/leader_election_master_status\{name="leader",[^}]*\} 0/);
  await eventually(() => led.length === 2);
  expectOneAtATime(led);
  const first = lease();
  await eventually(() => lease()?.spec?.renewTime !== first?.spec?.renewTime);
  expect(lease()?.spec?.leaseTransitions).toBe(first?.spec?.leaseTransitions ?? 0);
  expect(server.writes(/leases/)).toEqual([]);
});

test("a leader that cannot renew stops before its lease ends, and leads again later under a newer token", async () => {
  const { server, led, candidate, lease } = campaign();
  const only = candidate("only");
  await eventually(() => only.election.isLeading());
  const before = lease();
  const goneAt = performance.now();
  server.faults = { answer: () => status(500, "InternalError") };
  await eventually(() => !only.election.isLeading());
  expect(performance.now() - goneAt).toBeLessThan(timing.leaseMs);
  expect(lease()?.spec?.renewTime).toBe(before?.spec?.renewTime ?? "");
  server.faults = {};
  await eventually(() => led.length === 2);
  expectOneAtATime(led);
});

test("a leader that was paused is followed by another, and neither writes nor leads when it goes on", async () => {
  const { server, led, candidate } = campaign();
  // A paused process is one whose clock jumps: nothing of it runs meanwhile, and then everything at once.
  let jump = 0;
  const paused = candidate("paused", undefined, () => performance.now() + jump);
  await eventually(() => led.length === 1);
  const term = paused.term();
  const guarded = paused.client.within(term === undefined ? {} : { mayWrite: term.check });
  const note = (name: string) => guarded.create(notes, { metadata: { namespace: "a", name } });
  await note("in-time");
  jump = 20_000;
  await expect(note("late")).rejects.toThrow("leads no longer");
  expect(paused.election.isLeading()).toBe(false);
  candidate("other");
  await eventually(() => led.length >= 2);
  expect([...server.stored("/api/v1/notes").keys()]).toEqual(["a/in-time"]);
  expectOneAtATime(led);
});

test("a lease that another took by force ends the term at once", async () => {
  const { server, led, candidate, lease } = campaign();
  const leader = candidate("leader");
  await eventually(() => leader.election.isLeading());
  const spec = { ...lease()?.spec, holderIdentity: "usurper", leaseTransitions: 9 };
  server.put(leasesPath, "a/leader", { spec });
  await eventually(() => !leader.election.isLeading(), { timeoutMs: timing.renewMs });
  expect(lease()?.spec?.holderIdentity).toBe("usurper");
  expect(led.length).toBe(1);
});

test("a process that is stopped by SIGSTOP over its lease's end finds another leading and leads no longer", async () => {
  const { url, led, candidate, server, lease } = campaign();
  const program = `${import.meta.dir}/candidate-process.ts`;
  const child = Bun.spawn([process.execPath, program, url, JSON.stringify(timing)], {
    stdout: "pipe",
    stderr: "inherit",
  });
  closing.push(() => child.kill("SIGKILL"));
  const notesOf = () =>
    [...server.stored("/api/v1/notes").values()].map(({ spec }) => Number(spec?.transitions));
  await eventually(() => notesOf().length > 3);
  const own = lease()?.spec?.leaseTransitions ?? 0;
  child.kill("SIGSTOP");
  const other = candidate("other");
  await eventually(() => led.length === 1);
  const written = notesOf().length;
  child.kill("SIGCONT");
  await eventually(() => server.requests.some(({ headers }) => headers.get("user-agent") === "over"));
  expect(other.election.isLeading()).toBe(true);
  // One may have been on its way already: that only its receiver can refuse.
  expect(notesOf().length).toBeLessThanOrEqual(written + 1);
  expect(notesOf().every((transitions) => transitions === own)).toBe(true);
});
