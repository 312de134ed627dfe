import { expect, test } from "bun:test";
import { Elysia } from "elysia";
import { inTime, listen } from "./listen.ts";

test("a request whose answer never comes is answered 503 with its own id and Retry-After", async () => {
  const request = new Request("http://localhost/payments", { headers: { "request-id": "req-1" } });
  const answer = await inTime(request, new Promise<Response>(() => {}), 5);
  expect(answer.status).toBe(503);
  expect(answer.headers.get("retry-after")).toBe("1");
  expect(await answer.json()).toMatchObject({ code: "unavailable", request_id: "req-1" });
});

test("an answer in time is passed on as it is, and so is a failure", async () => {
  const request = new Request("http://localhost/payments");
  const response = new Response("here");
  expect(await inTime(request, Promise.resolve(response), 1_000)).toBe(response);
  expect(inTime(request, Promise.reject(new Error("broken")), 1_000)).rejects.toThrow("broken");
});

test("internal connections end now and then, so that callers find other replicas, and no answer is lost", async () => {
  const app = new Elysia().get("/", () => "here");
  const ends = async (isInternal: boolean) => {
    const listener = listen(app, { host: "127.0.0.1", port: 0, isInternal });
    let ended = 0;
    for (let count = 0; count < 220; count += 1) {
      const answer = await fetch(`http://127.0.0.1:${listener.port}/`);
      expect(await answer.text()).toBe("here");
      if (answer.headers.get("connection") === "close") ended += 1;
    }
    await listener.stop();
    return ended;
  };
  expect(await ends(true)).toBe(4);
  expect(await ends(false)).toBe(0);
});
