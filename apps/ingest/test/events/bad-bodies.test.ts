import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { badBodies } from "./bad/bad-bodies.ts";
import type { BadBody } from "./bad/body-texts.ts";
import { type EventsSpace, openEvents, postRequest, type Replica, read } from "./events-space.ts";

let space: EventsSpace;
let replica: Replica;
let key: string;

beforeAll(async () => {
  space = await openEvents();
  replica = await space.replica();
  // What some of these bodies cost would be more than a tenant has in a second.
  key = space.keyOf({ limits: { ...space.keyOf().tenant.limits, events_per_second: 1_000_000 } }).key;
});
afterAll(() => space.close());

const bodies = badBodies();
const where = ({ path, type }: BadBody) => `${path}${type === undefined ? "" : ` as ${type}`}`;

/** What an answer says, but for what may differ from one request to the next. */
function told({ status, headers, body }: Awaited<ReturnType<typeof read>>) {
  const { request_id: requestId, ...said } = body;
  const names = [...headers.keys()].sort();
  const isNamed = requestId === undefined || requestId === headers.get("request-id");
  return { status, said, names, isNamed, type: headers.get("content-type") };
}

test("the table is long, and no two of its bodies are the same", () => {
  const names = new Set(bodies.map((one) => `${one.name} ${where(one)}`));
  expect(names.size).toBe(bodies.length);
  expect(bodies.length).toBeGreaterThan(150);
});

describe("a bad body is answered with its documented problem, by the door as by the app, and stores nothing:", () => {
  test.each(bodies.map((one) => [one.name, where(one), one] as const))("%s to %s", async (_, __, one) => {
    const sent = { key, ...one };
    const direct = await replica.door(postRequest(one.path, sent));
    if (direct === undefined) throw new Error("not a request for the door");
    const answer = await read(direct);
    expect(told(await read(await replica.app.handle(postRequest(one.path, sent))))).toEqual(told(answer));

    expect([answer.status, answer.body.code]).toEqual([one.status, one.code]);
    if (one.status === 202) {
      expect(answer.body).toMatchObject({ accepted: 0, duplicates: 0, rejected: 1 });
      expect(answer.body.results).toHaveLength(1);
      expect(answer.body.results[0]).toMatchObject({ index: 0, status: "invalid" });
    } else {
      expect(answer.headers.get("content-type")).toBe("application/problem+json");
    }
    const { errors } = one.status === 202 ? answer.body.results[0] : answer.body;
    if (one.pointers !== undefined) {
      expect(errors.map((error: { pointer: string }) => error.pointer)).toEqual([...one.pointers]);
    }
    expect(await space.stored()).toEqual([]);
    expect(replica.inFlight.bytes).toBe(0);
  });
});
