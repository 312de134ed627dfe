import { expect, test } from "bun:test";
import { eventually } from "@payflow/testkit/eventually.ts";
import { Elysia } from "elysia";
import { answerInTime, listen } from "./listen.ts";

test("a request whose answer never comes is answered 503 with its own id and Retry-After", async () => {
  const request = new Request("http://localhost/payments", { headers: { "request-id": "req-1" } });
  const answer = await answerInTime(5)(request, new Promise<Response>(() => {}));
  expect(answer.status).toBe(503);
  expect(answer.headers.get("retry-after")).toBe("1");
  expect(await answer.json()).toMatchObject({ code: "unavailable", request_id: "req-1" });
});

test("an answer in time is passed on as it is, and so is a failure", async () => {
  const request = new Request("http://localhost/payments");
  const response = new Response("here");
  const inTime = answerInTime(1_000);
  expect(await inTime(request, Promise.resolve(response))).toBe(response);
  expect(inTime(request, Promise.reject(new Error("broken")))).rejects.toThrow("broken");
});

test("each late answer is 503 at its own time, whatever was answered between", async () => {
  const request = new Request("http://localhost/payments");
  const inTime = answerInTime(40);
  const startedAt = performance.now();
  const late = Array.from({ length: 3 }, async (_, index) => {
    await Bun.sleep(index * 15);
    const askedAt = performance.now();
    expect(await inTime(request, Promise.resolve(new Response("here")))).toHaveProperty("status", 200);
    const answer = await inTime(request, new Promise<Response>(() => {}));
    expect(answer.status).toBe(503);
    expect(performance.now() - askedAt).toBeGreaterThanOrEqual(39);
  });
  await Promise.all(late);
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(69);
});

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
