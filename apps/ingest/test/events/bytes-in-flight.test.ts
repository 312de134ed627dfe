import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { eventually } from "@payflow/testkit/eventually.ts";
import { batch, type EventsSpace, openEvents, post, type Replica, single } from "./events-space.ts";
import { example } from "./example-event.ts";

const mebibyte = 2 ** 20;

let space: EventsSpace;
const sockets: Socket[] = [];

beforeAll(async () => {
  space = await openEvents();
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await space.close();
});

/** A request of which only the beginning is sent; what is answered is collected. */
function begin({ port }: Replica, key: string, headers: readonly string[], body = "[") {
  const socket = connect(port, "127.0.0.1");
  sockets.push(socket);
  const heard = { text: "", isClosed: false };
  socket.on("data", (data) => {
    heard.text += data.toString();
  });
  socket.on("close", () => {
    heard.isClosed = true;
  });
  socket.on("error", () => {});
  const lines = [
    `POST ${batch} HTTP/1.1`,
    "host: localhost",
    "content-type: application/json",
    `x-api-key: ${key}`,
    ...headers,
  ];
  socket.write(`${lines.join("\r\n")}\r\n\r\n${body}`);
  return { socket, heard };
}

const event = () => JSON.stringify(example());

describe("bodies that a process has in its hands", () => {
  test("are 64 MiB at most, by what is announced; the next is told to come back, until there is room", async () => {
    const replica = await space.replica();
    const tenants = Array.from({ length: 3 }, () => space.keyOf().key);
    const announced = [`content-length: ${8 * mebibyte}`];
    const open = Array.from({ length: 8 }, (_, index) => begin(replica, tenants[index % 2] ?? "", announced));
    await eventually(() => replica.inFlight.bytes === 64 * mebibyte);
    const refused = await post(replica, single, {
      key: tenants[2] ?? "",
      headers: { "content-length": "500" },
      body: event(),
    });
    expect([refused.status, refused.body.code, refused.headers.get("retry-after")]).toEqual([
      503,
      "unavailable",
      "1",
    ]);
    open[0]?.socket.destroy();
    await eventually(() => replica.inFlight.bytes === 56 * mebibyte);
    expect((await post(replica, single, { key: tenants[2] ?? "", body: event() })).status).toBe(202);
    for (const { socket } of open) socket.destroy();
    await eventually(() => replica.inFlight.bytes === 0);
    // Who ends the connection has not found a bug.
    expect(await replica.metrics.text()).not.toContain('status="500"');
  });

  test("are of one tenant half of that, so that others find room beside it", async () => {
    const replica = await space.replica();
    const slow = space.keyOf().key;
    const announced = [`content-length: ${8 * mebibyte}`];
    const open = Array.from({ length: 5 }, () => begin(replica, slow, announced));
    await eventually(() =>
      expect(open.filter(({ heard }) => heard.text.startsWith("HTTP/1.1 503"))).toHaveLength(1),
    );
    expect(replica.inFlight.bytes).toBe(32 * mebibyte);
    expect((await post(replica, single, { key: space.keyOf().key, body: event() })).status).toBe(202);
    for (const { socket } of open) socket.destroy();
    await eventually(() => replica.inFlight.bytes === 0);
  });

  test("count as they come where nothing is announced, up to what a body may have", async () => {
    const replica = await space.replica();
    const { key } = space.keyOf();
    const chunk = (size: number) => `${size.toString(16)}\r\n${"x".repeat(size)}\r\n`;
    const { socket, heard } = begin(replica, key, ["transfer-encoding: chunked"], chunk(10_000));
    await eventually(() => replica.inFlight.bytes === 10_000);
    socket.write(chunk(50_000));
    await eventually(() => replica.inFlight.bytes === 60_000);
    socket.write(chunk(8 * mebibyte));
    await eventually(() => expect(heard.text).toStartWith("HTTP/1.1 413"));
    expect(replica.inFlight.bytes).toBe(0);
    const whole = begin(replica, key, ["transfer-encoding: chunked"], "");
    const body = `[${event()}]`;
    whole.socket.write(`${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`);
    await eventually(() => expect(whole.heard.text).toContain('"accepted":1'));
  });

  test("of strangers are not counted, since nobody reads them", async () => {
    const replica = await space.replica();
    const { heard } = begin(replica, "pfk_live_nobody", [`content-length: ${8 * mebibyte}`]);
    await eventually(() => expect(heard.text).toStartWith("HTTP/1.1 401"));
    expect(replica.inFlight.bytes).toBe(0);
  });
});
