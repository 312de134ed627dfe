import { describe, expect, test } from "bun:test";
import { scopes } from "@payflow/contracts/access.ts";
import type { GovernedKey } from "@payflow/contracts/internal-tenant.ts";
import { makeApiKey } from "@payflow/service-kit/auth/api-key.ts";
import { pick, seeded } from "../../test/kubernetes/seeded-faults.ts";
import { type KeyView, keyEntry, keySlots, noteNames } from "./api-key-slot.ts";
import { type KeyStep, nextKeyStep } from "./next-key-step.ts";

const slot = { entry: "api-key", mode: "live" } as const;
const notes = noteNames(slot);
const hourMs = 3_600_000;
const seedCount = process.env.PAYFLOW_THOROUGH === "1" ? 2_000 : 80;
type Values = Record<string, string>;

/** A Secret and a tenant app, to which steps are done as the operator does them. */
class World {
  values: Values = {};
  annotations: Values = {};
  readonly keys = new Map<string, GovernedKey>();
  readonly refused = new Set<string>();
  now = new Date("2026-03-01T00:00:00Z");
  wanted: KeyView["wanted"] = {
    scopes,
    ...{ intervalMs: undefined, overlapMs: hourMs, rotateNow: undefined, followedRotateNow: undefined },
  };
  readonly done: string[] = [];

  view(): KeyView {
    for (const [id, key] of this.keys) {
      const isActive = key.expires_at === null || Date.parse(key.expires_at) > this.now.getTime();
      this.keys.set(id, { ...key, is_active: isActive });
    }
    const { values, annotations, keys: registered, refused, wanted, now } = this;
    return { slot, values, annotations, registered, refused, tenantUid: "uid", wanted, now };
  }

  step(): KeyStep | undefined {
    const step = nextKeyStep(this.view());
    if (step === undefined) return undefined;
    if (step.kind === "make") this.#make();
    if (step.kind === "store") this.#change(step.change.values ?? {}, step.change.annotations ?? {});
    if (step.kind === "register") this.#register(step);
    if (step.kind === "revoke") this.keys.delete(step.keyId);
    this.done.push(step.kind === "store" ? step.done : step.kind === "make" ? `make ${step.why}` : step.kind);
    return step;
  }

  /** All steps, after each of which `check` is called. */
  settle(check: () => void = () => {}): void {
    for (let count = 0; this.step() !== undefined; count += 1) {
      check();
      if (count > 30) throw new Error(`it does not settle: ${this.done.slice(-10).join(", ")}`);
    }
    this.refused.clear();
  }

  isUsable(text = this.values["api-key"]): boolean {
    return text !== undefined && this.activeValues().includes(text);
  }

  activeValues(): (string | undefined)[] {
    const view = this.view();
    const entries = (["current", "next", "previous"] as const).map((role) => keyEntry(view, role));
    return [...view.registered.values()]
      .filter((key) => key.is_active)
      .map((key) => entries.find((entry) => entry?.keyId === key.key_id)?.value);
  }

  #make(): void {
    const value = makeApiKey("live");
    const next = keyEntry({ ...this.view(), values: { "api-key-next": value } }, "next");
    const { rotateNow } = this.wanted;
    const rotated: Values = rotateNow === undefined ? {} : { [notes.rotatedFor]: rotateNow };
    this.#change({ "api-key-next": value }, { [notes.next]: next?.keyId ?? "", ...rotated });
  }

  #change(values: Record<string, string | null>, annotations: Record<string, string | null>): void {
    for (const [target, changes] of [
      [this.values, values],
      [this.annotations, annotations],
    ] as const) {
      for (const [name, text] of Object.entries(changes)) {
        if (text === null) delete target[name];
        else target[name] = text;
      }
    }
  }

  #register({ keyId, expiresAt }: Extract<KeyStep, { kind: "register" }>): void {
    const known = this.keys.get(keyId);
    if (known?.is_active === false) {
      this.refused.add(keyId);
      return;
    }
    const working = [...this.view().registered.values()].filter((key) => key.is_active);
    if (known === undefined && working.length >= 3) throw new Error("a fourth key is refused");
    this.keys.set(keyId, {
      ...{ key_id: keyId, mode: "live", name: "n", scopes: [...this.wanted.scopes], is_active: true },
      ...{ last_used_at: null, created_at: this.now.toISOString(), expires_at: expiresAt },
    });
  }
}

function settled(): World {
  const world = new World();
  world.settle();
  world.done.length = 0;
  return world;
}

const laterMs = (world: World, ms: number) => {
  world.now = new Date(world.now.getTime() + ms);
};

test("a tenant of both modes has the live key without a prefix, and others have only their own", () => {
  expect(keySlots("test")).toEqual([{ entry: "api-key", mode: "test" }]);
  expect(keySlots("both").map(({ entry, mode }) => `${entry} ${mode}`)).toEqual([
    "api-key live",
    "test-api-key test",
  ]);
});

test("a new key is written as next, registered, promoted, and then the end of the one before it is set", () => {
  const world = new World();
  world.settle();
  expect(world.done).toEqual(["make first", "register", "promoted"]);
  const before = world.values["api-key"];
  world.done.length = 0;
  world.wanted = { ...world.wanted, rotateNow: "a" };
  world.settle();
  expect(world.done).toEqual(["make asked", "register", "promoted", "register"]);
  expect(world.values["api-key-previous"]).toBe(before ?? "");
  expect(world.isUsable() && world.isUsable(before)).toBe(true);
  laterMs(world, hourMs - 1);
  world.settle();
  expect(world.isUsable(before)).toBe(true);
  laterMs(world, 1);
  world.settle();
  expect(Object.keys(world.values)).toEqual(["api-key"]);
  expect(world.isUsable(before)).toBe(false);
});

test("rotate-now is followed once a value, not for a key that was made meanwhile, and waits for an overlap", () => {
  const world = settled();
  world.wanted = { ...world.wanted, rotateNow: "a" };
  world.settle();
  world.wanted = { ...world.wanted, rotateNow: "b" };
  world.settle();
  expect(world.done.filter((step) => step === "make asked").length).toBe(1);
  laterMs(world, hourMs);
  world.settle();
  laterMs(world, hourMs);
  world.settle();
  expect(world.done.filter((step) => step === "make asked").length).toBe(2);
  // What the Secret has forgotten, the status may still know.
  delete world.annotations[notes.rotatedFor];
  world.wanted = { ...world.wanted, followedRotateNow: "b" };
  world.settle();
  expect(world.done.filter((step) => step === "make asked").length).toBe(2);
  const made = new World();
  made.wanted = { ...made.wanted, rotateNow: "there from the beginning" };
  made.settle();
  expect(made.done).toEqual(["make first", "register", "promoted"]);
});

test("by schedule a key is replaced when its interval is over, however long nobody looked", () => {
  const world = settled();
  world.wanted = { ...world.wanted, intervalMs: 24 * hourMs };
  laterMs(world, 24 * hourMs - 1);
  world.settle();
  expect(world.done).toEqual([]);
  laterMs(world, 500 * hourMs);
  world.settle();
  expect(world.done[0]).toBe("make scheduled");
  laterMs(world, 2 * hourMs);
  world.settle();
  laterMs(world, 21 * hourMs);
  world.settle();
  expect(world.done.filter((step) => step === "make scheduled").length).toBe(1);
});

test("an overlap can be cut short and is never prolonged; without one the old key ends at once", () => {
  const world = settled();
  world.wanted = { ...world.wanted, rotateNow: "a" };
  world.settle();
  const end = () => [...world.view().registered.values()].find((key) => key.expires_at)?.expires_at;
  const first = end();
  world.wanted = { ...world.wanted, overlapMs: 5 * hourMs };
  world.settle();
  expect(end()).toBe(first ?? "");
  world.wanted = { ...world.wanted, overlapMs: 0 };
  world.settle();
  expect(Object.keys(world.values)).toEqual(["api-key"]);
  expect(world.activeValues()).toEqual([world.values["api-key"]]);
});

test("a change of scopes reaches every key that works", () => {
  const world = settled();
  world.wanted = { ...world.wanted, rotateNow: "a" };
  world.settle();
  world.wanted = { ...world.wanted, scopes: ["payments:read"] };
  world.settle();
  expect([...world.keys.values()].map((key) => key.scopes)).toEqual([["payments:read"], ["payments:read"]]);
});

describe("what a hand or a lost answer leaves", () => {
  const repairs: Record<string, [(world: World) => void, string]> = {
    "the Secret is deleted": [(world) => Object.assign(world, { values: {}, annotations: {} }), "make lost"],
    "the key is taken out": [(world) => delete world.values["api-key"], "make lost"],
    "the key is overwritten": [(world) => Object.assign(world.values, { "api-key": "mine" }), "make edited"],
    "another key is put in its place": [
      (world) => Object.assign(world.values, { "api-key": makeApiKey("live") }),
      "make edited",
    ],
    "the key was revoked by the app": [
      (world) => {
        world.refused.add([...world.keys.keys()][0] ?? "");
        world.keys.clear();
      },
      "make over",
    ],
  };
  test.each(Object.entries(repairs))("%s: a new key takes its place, and the old one ends", (_, repair) => {
    const world = settled();
    const before = world.values["api-key"];
    repair[0](world);
    world.settle();
    expect(world.done[0]).toBe(repair[1]);
    expect(world.values["api-key"]).not.toBe(before ?? "");
    expect(world.activeValues()).toEqual([world.values["api-key"]]);
  });

  test("a key that the app has forgotten is registered again, so that whoever uses it notices nothing", () => {
    const world = settled();
    const before = world.values["api-key"];
    world.keys.clear();
    world.settle();
    expect(world.done).toEqual(["register"]);
    expect(world.values["api-key"]).toBe(before ?? "");
    expect(world.isUsable()).toBe(true);
  });

  test("what somebody writes as the next key is never registered", () => {
    const world = settled();
    const before = world.values["api-key"];
    world.values["api-key-next"] = makeApiKey("live");
    world.settle();
    expect(world.done).toEqual(["next-dropped"]);
    expect(world.values).toEqual({ "api-key": before ?? "" });
  });

  test("a note that the key came into use in a far future keeps no key from its rotation or its end", () => {
    const world = settled();
    world.wanted = { ...world.wanted, intervalMs: 24 * hourMs };
    world.annotations[notes.since] = new Date(8.64e15).toISOString();
    laterMs(world, 24 * hourMs);
    world.settle();
    expect(world.done).toEqual(["make scheduled", "register", "promoted", "register"]);
    world.annotations[notes.since] = new Date(8.64e15).toISOString();
    laterMs(world, hourMs);
    world.settle();
    expect(Object.keys(world.values)).toEqual(["api-key"]);
  });

  test("notes that were taken off are written again, and cost no key", () => {
    const world = settled();
    const before = { ...world.values };
    world.annotations = {};
    world.settle();
    expect(world.done).toEqual(["noted"]);
    expect(world.values).toEqual(before);
  });
});

test("whenever it is broken off: the key in use works, none works that no Secret holds, three at most", () => {
  for (let seed = 0; seed < seedCount; seed += 1) {
    const random = seeded(seed);
    const world = settled();
    world.wanted = { ...world.wanted, intervalMs: 3 * hourMs };
    const check = () => {
      if (!world.isUsable()) throw new Error(`seed ${seed}: api-key does not work: ${world.done.join(", ")}`);
      const active = world.activeValues();
      if (active.includes(undefined) || active.length > 3) throw new Error(`seed ${seed}: ${world.done}`);
    };
    for (let round = 0; round < 30; round += 1) {
      // A crash is nothing but steps that are not done until later.
      for (let steps = Math.floor(random() * 5); steps > 0; steps -= 1) {
        world.step();
        check();
      }
      laterMs(world, random() * 2 * hourMs);
      check();
      if (random() < 0.3) world.wanted = { ...world.wanted, rotateNow: `${seed}-${round}` };
      if (random() < 0.1) world.wanted = { ...world.wanted, overlapMs: Math.floor(random() * 2) * hourMs };
    }
    world.settle(check);
    expect(world.isUsable()).toBe(true);
  }
});

test("whatever is done to the Secret and the app by hand, all is right again after the next pass", () => {
  const entries = ["api-key", "api-key-next", "api-key-previous"];
  for (let seed = 0; seed < seedCount; seed += 1) {
    const random = seeded(seed);
    const one = <T>(list: readonly T[]): T => pick(random, list);
    const world = settled();
    const values = [makeApiKey("live"), "garbage", makeApiKey("test"), world.values["api-key"] ?? ""];
    const hands: (() => unknown)[] = [
      () => delete world.values[one(entries)],
      () => Object.assign(world.values, { [one(entries)]: one(values) }),
      () => values.push(world.values[one(entries)] ?? "garbage"),
      () => delete world.annotations[one(Object.values(notes))],
      () => Object.assign(world, { values: {}, annotations: {} }),
      () => world.keys.delete(one([...world.keys.keys(), ""])),
      () => Object.assign(world.wanted, { rotateNow: `${random()}` }),
      () => laterMs(world, random() * 3 * hourMs),
    ];
    for (let round = 0; round < 20; round += 1) {
      for (let count = Math.floor(random() * 4); count > 0; count -= 1) one(hands)();
      for (let steps = Math.floor(random() * 4); steps > 0; steps -= 1) world.step();
    }
    world.settle();
    expect(world.isUsable()).toBe(true);
    expect(world.activeValues()).not.toContain(undefined);
    expect(world.activeValues().length).toBeLessThanOrEqual(2);
  }
});
