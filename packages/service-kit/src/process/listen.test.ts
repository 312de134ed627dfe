import { expect, test } from "bun:test";
import { eventually } from "@payflow/testkit/eventually.ts";
import { Elysia } from "elysia";
import { listen } from "./listen.ts";

test("one internal connection ends a second, however little is asked, and public ones never", async () => {
  const app = new Elysia().get("/", () => "here");
  const ends = async (isInternal: boolean) => {
    let nowMs = 0;
    const listener = listen(app, { host: "127.0.0.1", port: 0, isInternal }, () => nowMs);
    const ended: number[] = [];
    for (nowMs = 400; nowMs <= 4_000; nowMs += 400) {
      const answer = await fetch(`http://127.0.0.1:${listener.port}/`);
      expect(await answer.text()).toBe("here");
      if (answer.headers.get("connection") === "close") ended.push(nowMs);
    }
    await listener.stop();
    return ended;
  };
  expect(await ends(true)).toEqual([1_200, 2_400, 3_600]);
  expect(await ends(false)).toEqual([]);
});

test("a caller that keeps one connection is answered by every replica before long", async () => {
  let nowMs = 0;
  const serve = (name: string, port: number) =>
    listen(new Elysia().get("/", name), { host: "127.0.0.1", port, isInternal: true }, () => nowMs);
  const first = serve("first", 0);
  const second = serve("second", first.port);
  const seen = new Set<string>();
  await eventually(async () => {
    nowMs += 1_000;
    seen.add(await (await fetch(`http://127.0.0.1:${first.port}/`)).text());
    return seen.size === 2;
  });
  await Promise.all([first.stop(), second.stop()]);
});
