import { expect, test } from "bun:test";
import type { KubernetesObject } from "../objects/object.ts";
import { ObjectCache } from "./object-cache.ts";
import { Watched } from "./watched.ts";

const key = "shop/one";
const version = (resourceVersion: string): KubernetesObject => ({
  metadata: { namespace: "shop", name: "one", uid: "u", resourceVersion },
});

/** A cache at version 10, and what was told to be news. */
function watching() {
  const cache = new ObjectCache<KubernetesObject>();
  const news: (string | undefined)[] = [];
  const watched = new Watched([cache], (change) =>
    news.push(change.type === "set" ? change.object.metadata.resourceVersion : "deleted"),
  );
  for (const change of cache.replace([version("10")], "10")) watched.noteChange(change);
  news.length = 0;
  return {
    watched,
    news,
    tell(type: "MODIFIED" | "DELETED", at: string) {
      const change = cache.apply(type, version(at));
      if (change !== undefined) watched.noteChange(change);
    },
    seen: () => watched.get(key)?.metadata.resourceVersion,
  };
}

test("what we wrote is seen at once, and is no news when the watch tells of it later", async () => {
  const { watched, news, tell, seen } = watching();
  await watched.writing(key, async () => version("11"));
  await watched.writing(key, async () => version("13"));
  expect(seen()).toBe("13");
  tell("MODIFIED", "11");
  expect(seen()).toBe("13");
  tell("MODIFIED", "13");
  expect(news).toEqual([]);
  tell("MODIFIED", "14");
  expect([seen(), ...news]).toEqual(["14", "14"]);
});

test("it is no news either when the watch is faster than the answer, but what follows it is", async () => {
  const { watched, news, tell } = watching();
  await watched.writing(key, async () => {
    tell("MODIFIED", "11");
    expect(news).toEqual([]);
    return version("11");
  });
  expect(news).toEqual([]);
  await watched.writing(key, async () => {
    tell("MODIFIED", "12");
    tell("MODIFIED", "13");
    return version("12");
  });
  expect(news).toEqual(["13"]);
});

test("what somebody else did meanwhile is news where our write failed, or the object went", async () => {
  const { watched, news, tell, seen } = watching();
  const refused = watched.writing(key, async () => {
    tell("MODIFIED", "12");
    throw new Error("conflict");
  });
  await expect(refused).rejects.toThrow("conflict");
  expect(news).toEqual(["12"]);
  await watched.writing(key, async () => {
    tell("DELETED", "14");
    return version("13");
  });
  expect(news).toEqual(["12", "deleted"]);
  expect(seen()).toBeUndefined();
});
