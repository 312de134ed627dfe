import { expect, test } from "bun:test";
import { LateAnswers } from "./late-answers.ts";

test("a request whose answer never comes is answered 503 with its own id and Retry-After", async () => {
  const request = new Request("http://localhost/payments", { headers: { "request-id": "req-1" } });
  const answer = await new LateAnswers(5).pass(request, new Promise<Response>(() => {}));
  expect(answer.status).toBe(503);
  expect(answer.headers.get("retry-after")).toBe("1");
  expect(await answer.json()).toMatchObject({ code: "unavailable", request_id: "req-1" });
});

test("an answer in time is passed on as it is, and so is a failure", async () => {
  const request = new Request("http://localhost/payments");
  const response = new Response("here");
  const late = new LateAnswers(1_000);
  expect(await late.pass(request, Promise.resolve(response))).toBe(response);
  expect(late.pass(request, Promise.reject(new Error("broken")))).rejects.toThrow("broken");
});

test("each late answer is 503 at its own time, whatever was answered between", async () => {
  const request = new Request("http://localhost/payments");
  const lateAnswers = new LateAnswers(40);
  const startedAt = performance.now();
  const late = Array.from({ length: 3 }, async (_, index) => {
    await Bun.sleep(index * 15);
    const askedAt = performance.now();
    expect(await lateAnswers.pass(request, Promise.resolve(new Response("here")))).toHaveProperty(
      "status",
      200,
    );
    const answer = await lateAnswers.pass(request, new Promise<Response>(() => {}));
    expect(answer.status).toBe(503);
    expect(performance.now() - askedAt).toBeGreaterThanOrEqual(39);
  });
  await Promise.all(late);
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(69);
});
