import { expect, test } from "bun:test";
import { inTime } from "./listen.ts";

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
