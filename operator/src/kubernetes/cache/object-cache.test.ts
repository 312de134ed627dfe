import { expect, test } from "bun:test";
import type { KubernetesObject } from "../objects/object.ts";
import { ObjectCache } from "./object-cache.ts";
import { compareVersions, WatchPosition } from "./watch-position.ts";

interface Labelled extends KubernetesObject {
  readonly team: string;
}

function object(name: string, version: number, team = "red"): Labelled {
  return { metadata: { name, resourceVersion: String(version) }, team };
}

test("versions are compared as numbers of any length", () => {
  expect(compareVersions("9", "10")).toBeLessThan(0);
  expect(compareVersions("100000000000000000000001", "100000000000000000000000")).toBeGreaterThan(0);
  expect(compareVersions("7", "7")).toBe(0);
});

test("a watch is resumed from before whatever may be missing, and knows what it has had", () => {
  const position = new WatchPosition("100");
  expect(position.pass("100")).toBe(false);
  for (const version of ["103", "101", "102"]) expect(position.pass(version)).toBe(true);
  expect(position.pass("102")).toBe(false);
  expect(position.version).toBe("100");
  for (let version = 104; version <= 120; version += 1) position.pass(String(version));
  expect(position.version).toBe("112");
  expect(position.pass("99")).toBe(false);
});

test("an older event changes nothing, and brings nothing back that was deleted", () => {
  const cache = new ObjectCache<Labelled>();
  cache.replace([object("a", 1)], "10");
  expect(cache.apply("MODIFIED", object("a", 12))?.type).toBe("set");
  expect(cache.apply("MODIFIED", object("a", 11))).toBeUndefined();
  expect(cache.get("a")?.metadata.resourceVersion).toBe("12");
  expect(cache.apply("DELETED", object("a", 15))?.type).toBe("deleted");
  expect(cache.apply("MODIFIED", object("a", 14))).toBeUndefined();
  expect(cache.get("a")).toBeUndefined();
  expect(cache.apply("ADDED", object("a", 16))?.type).toBe("set");
});

test("an object that was made and deleted before we heard of it never shows", () => {
  const cache = new ObjectCache<Labelled>();
  cache.replace([], "10");
  expect(cache.apply("DELETED", object("a", 12))).toBeUndefined();
  expect(cache.apply("ADDED", object("a", 11))).toBeUndefined();
  expect(cache.size).toBe(0);
});

test("objects are found by what they are indexed by, as it is now", () => {
  const cache = new ObjectCache<Labelled>({ indexes: { team: ({ team }) => [team] } });
  cache.replace([object("a", 1, "red"), object("b", 2, "blue"), object("c", 3, "red")], "10");
  const names = (team: string) => cache.find("team", team).map(({ metadata }) => metadata.name);
  expect(names("red")).toEqual(["a", "c"]);
  cache.apply("MODIFIED", object("a", 11, "blue"));
  cache.apply("DELETED", object("c", 12, "red"));
  expect(names("red")).toEqual([]);
  expect(names("blue")).toEqual(["b", "a"]);
  cache.replace([object("d", 4, "red")], "20");
  expect(names("blue")).toEqual([]);
  expect(names("red")).toEqual(["d"]);
});
