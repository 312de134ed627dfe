import { afterAll, beforeAll, expect, setSystemTime, test } from "bun:test";
import { readFileSync } from "node:fs";
import path from "node:path";
import { eventually } from "@payflow/testkit/eventually.ts";
import { temporaryFolder } from "@payflow/testkit/temporary-folder.ts";
import { Webhook } from "standardwebhooks";
import {
  type NotifierDatabase,
  newOwner,
  notifierDatabase,
  type Owner,
  paymentSettled,
  type Replica,
  startReplica,
} from "./fixture.ts";
import { type Received, startRawServer, startReceiver } from "./receiver.ts";

let database: NotifierDatabase;
let notifier: Replica;
const deadlineMs = 800;

beforeAll(async () => {
  database = await notifierDatabase();
  notifier = startReplica(database, { deadlineMs });
}, 60_000);

afterAll(async () => {
  await notifier.stop();
  await database.drop();
});

const deliveries = async (owner: Owner, query = "") =>
  (await notifier.call(owner, "GET", `/webhook-deliveries${query}`)).body.data;
const details = async (owner: Owner, id: string) =>
  (await notifier.call(owner, "GET", `/webhook-deliveries/${id}`)).body;

/** Adds an endpoint, lets one event happen, and returns its delivery once the first attempt is over. */
async function deliverTo(url: string, owner = newOwner()) {
  const made = await notifier.call(owner, "POST", "/webhook-endpoints", { url, events: ["payment.settled"] });
  const event = paymentSettled(owner);
  await notifier.consume(event);
  const [delivery] = await eventually(async () => {
    const found = await deliveries(owner);
    return found[0]?.last_attempt_at !== null && found[0]?.status !== "sending" && found;
  });
  return { owner, endpoint: made.body, event, delivery: await details(owner, delivery.delivery_id) };
}

const verify = (secret: string, { body, headers }: Received) =>
  new Webhook(secret).verify(body, Object.fromEntries(headers));

test("a message arrives signed, with the event's id, and is logged with the start of the answer", async () => {
  const receiver = startReceiver(() => new Response("x".repeat(20_000)));
  const { endpoint, event, delivery } = await deliverTo(`${receiver.url}/hooks?a=b`);
  const [received] = receiver.received;
  if (received === undefined) throw new Error("nothing was received");
  expect(verify(endpoint.signing_secret, received)).toMatchObject({ event_id: event.event_id, sequence: 2 });
  expect(received.headers.get("webhook-id")).toBe(event.event_id);
  expect(received.headers.get("content-type")).toBe("application/json");
  expect(received.headers.get("request-id")).toBe("req_of_a_test");
  expect(delivery).toMatchObject({
    status: "delivered",
    attempt_count: 1,
    last_status_code: 200,
    last_error: null,
  });
  expect(delivery.attempts).toHaveLength(1);
  expect(delivery.attempts[0]).toMatchObject({ number: 1, status_code: 200, error: null });
  expect(delivery.attempts[0].response_body).toBe("x".repeat(8_192));
  receiver.close();
});

test("a process whose clock is an hour wrong signs with the store's time, and keeps the schedule", async () => {
  const receiver = startReceiver(() => new Response("", { status: 500 }));
  const before = Math.floor(Date.now() / 1_000);
  setSystemTime(new Date(Date.now() + 3_600_000));
  try {
    const { delivery } = await deliverTo(receiver.url);
    const timestamp = Number(receiver.received[0]?.headers.get("webhook-timestamp"));
    expect(timestamp).toBeGreaterThanOrEqual(before);
    expect(timestamp).toBeLessThan(before + 60);
    const waitMs = Date.parse(delivery.next_attempt_at) - Date.parse(delivery.first_attempt_at);
    expect(waitMs).toBeGreaterThanOrEqual(30_000);
    expect(waitMs).toBeLessThan(40_000);
  } finally {
    setSystemTime();
  }
  receiver.close();
});

test("an event that was seen before is not delivered again", async () => {
  const receiver = startReceiver();
  const { owner, event } = await deliverTo(receiver.url);
  await notifier.consume(event, paymentSettled(owner), event);
  await eventually(async () => (await deliveries(owner, "?status=delivered")).length === 2);
  expect(receiver.received).toHaveLength(2);
  receiver.close();
});

test("nothing is stored of an event that no endpoint wants", async () => {
  const owner = newOwner();
  await notifier.call(owner, "POST", "/webhook-endpoints", {
    url: "http://127.0.0.1:1/",
    events: ["refund.settled"],
  });
  await notifier.consume(paymentSettled(owner), paymentSettled(newOwner()));
  const [count] =
    await database.sql`select count(*)::integer as n from message where tenant_id = ${owner.tenantId}`;
  expect(count?.n).toBe(0);
});

test("while secrets overlap both verify; afterwards, and after a second rotation, the older one does not", async () => {
  const receiver = startReceiver();
  const { owner, endpoint } = await deliverTo(receiver.url);
  const rotate = async (overlap_seconds: number) =>
    (
      await notifier.call(owner, "POST", `/webhook-endpoints/${endpoint.endpoint_id}/rotate-secret`, {
        overlap_seconds,
      })
    ).body.signing_secret;
  const next = async () => {
    const before = receiver.received.length;
    await notifier.consume(paymentSettled(owner));
    return eventually(() => receiver.received[before] ?? false);
  };
  const first = endpoint.signing_secret;
  const second = await rotate(3_600);
  const during = await next();
  for (const secret of [first, second]) expect(() => verify(secret, during)).not.toThrow();
  await database.advance(3_601);
  const after = await next();
  expect(() => verify(second, after)).not.toThrow();
  expect(() => verify(first, after)).toThrow();
  await rotate(3_600);
  const fourth = await rotate(0);
  const last = await next();
  expect(() => verify(fourth, last)).not.toThrow();
  expect(() => verify(second, last)).toThrow();
  expect(last.headers.get("webhook-signature")?.split(" ")).toHaveLength(1);
  receiver.close();
});

test("410 disables the endpoint and ends the delivery; later events are not kept", async () => {
  const receiver = startReceiver(() => new Response("gone", { status: 410 }));
  const { owner, endpoint, delivery } = await deliverTo(receiver.url);
  expect(delivery).toMatchObject({ status: "failed", last_status_code: 410 });
  const read = await notifier.call(owner, "GET", `/webhook-endpoints/${endpoint.endpoint_id}`);
  expect(read.body).toMatchObject({ enabled: false, disabled_reason: "gone" });
  await notifier.consume(paymentSettled(owner));
  expect(await deliveries(owner)).toHaveLength(1);
  expect(await notifier.metricsText()).toMatch(
    /payflow_webhook_endpoints_disabled_total\{.*reason="gone".*\} 1/,
  );
  receiver.close();
});

test.each([
  { form: "of 3600", seconds: 3_600, header: () => "3600" },
  { form: "of a date", seconds: 7_200, header: () => new Date(Date.now() + 7_200_000).toUTCString() },
  { form: "beyond all bounds", seconds: 86_400, header: () => "99999999" },
  { form: "before the schedule", seconds: 30, header: () => "1" },
])("Retry-After $form puts the next attempt off to $seconds s", async ({ header, seconds }) => {
  const receiver = startReceiver(
    () => new Response("busy", { status: 503, headers: { "retry-after": header() } }),
  );
  const { delivery } = await deliverTo(receiver.url);
  expect(delivery.status).toBe("pending");
  const waitSeconds = (Date.parse(delivery.next_attempt_at) - Date.parse(delivery.first_attempt_at)) / 1_000;
  expect(waitSeconds).toBeGreaterThanOrEqual(seconds - 2);
  expect(waitSeconds).toBeLessThan(seconds + 6);
  receiver.close();
});

test.each([301, 302, 303, 307, 308])("a redirect by %d is a failure and is not followed", async (status) => {
  const elsewhere = await startRawServer();
  const location = `http://127.0.0.1:${elsewhere.port}/`;
  const receiver = startReceiver(() => new Response(null, { status, headers: { location } }));
  const { delivery } = await deliverTo(receiver.url);
  expect(delivery).toMatchObject({ status: "pending", last_status_code: status, last_error: "redirect" });
  expect(elsewhere.connections()).toBe(0);
  expect(receiver.received).toHaveLength(1);
  receiver.close();
  elsewhere.close();
});

const head = "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n";

test.each([
  { does: "takes the connection and says nothing", says: "", drips: "" },
  { does: "drips its head", says: "HTTP/1.1 200 OK\r\nx: y", drips: "y" },
  { does: "drips its body", says: head, drips: "x" },
])("a receiver that $does is given up at the deadline, its connection closed", async ({ says, drips }) => {
  let closed = 0;
  const server = await startRawServer((socket) => {
    // Read, so that the other side's end is seen.
    socket.resume();
    socket.write(says);
    const timer = setInterval(() => drips !== "" && socket.write(drips), 20);
    socket.on("close", () => {
      clearInterval(timer);
      closed += 1;
    });
  });
  const { delivery } = await deliverTo(`http://127.0.0.1:${server.port}/`);
  expect(delivery).toMatchObject({ status: "pending", last_error: "timeout" });
  expect(delivery.attempts[0].duration_ms).toBeGreaterThanOrEqual(deadlineMs - 5);
  expect(delivery.attempts[0].duration_ms).toBeLessThan(deadlineMs + 1_000);
  await eventually(() => closed === server.connections());
  server.close();
});

test("a name that takes too long to resolve is given up at the deadline", async () => {
  const slow = startReplica(database, {
    deadlineMs: 200,
    isWorking: false,
    resolve: () => new Promise(() => {}),
  });
  const result = await slow.sender.send({ url: "https://slow.example/", headers: {}, body: "{}" });
  expect(result.error).toBe("timeout");
  await slow.stop();
});

test("no more than 64 KiB of an answer are read, and what has been said counts", async () => {
  let written = 0;
  const server = await startRawServer((socket) => {
    socket.write("HTTP/1.1 200 OK\r\n\r\n");
    const timer = setInterval(() => {
      written += 16_384;
      socket.write("x".repeat(16_384));
    }, 5);
    socket.on("close", () => clearInterval(timer));
  });
  const { delivery } = await deliverTo(`http://127.0.0.1:${server.port}/`);
  expect(delivery).toMatchObject({ status: "delivered", last_status_code: 200 });
  expect(written).toBeLessThan(1_000_000);
  server.close();
});

test.each([
  ["nothing listens", "connection_failed", null],
  ["no HTTP is spoken", "connection_failed", "hello\r\n\r\n"],
  ["the body is cut off", "connection_failed", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"],
  ["the status is 500", "bad_status", "HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n"],
])("when %s the attempt fails with %s and is tried again", async (_name, error, answer) => {
  const server = await startRawServer(
    (socket) => answer !== null && socket.once("data", () => socket.end(answer)),
  );
  if (answer === null) server.close();
  const { delivery } = await deliverTo(`http://127.0.0.1:${server.port}/`);
  expect(delivery).toMatchObject({ status: "pending", last_error: error, attempt_count: 1 });
  server.close();
});

test("an answer that is no text is stored all the same", async () => {
  const receiver = startReceiver(() => new Response(new Uint8Array([0, 255, 65])));
  const { delivery } = await deliverTo(receiver.url);
  expect(delivery.attempts[0].response_body).toBe("\u0000\ufffdA");
  receiver.close();
});

test("a kept connection that was closed meanwhile costs no attempt", async () => {
  const server = await startRawServer((socket) => {
    let requests = 0;
    socket.on("data", () => {
      requests += 1;
      if (requests === 1) socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
      else socket.destroy();
    });
  });
  const { owner } = await deliverTo(`http://127.0.0.1:${server.port}/`);
  for (let count = 2; count <= 5; count += 1) {
    await notifier.consume(paymentSettled(owner));
    await eventually(async () => (await deliveries(owner, "?status=delivered")).length === count);
  }
  expect((await deliveries(owner)).map((one: { attempt_count: number }) => one.attempt_count)).toEqual([
    1, 1, 1, 1, 1,
  ]);
  server.close();
});

test("by TLS the certificate must be the name's, although the connection goes to an address", async () => {
  const folder = path.join(temporaryFolder(), "webhook-tls");
  makeCertificates(folder);
  const text = (name: string) => readFileSync(path.join(folder, name), "utf8");
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    tls: { key: text("good.key"), cert: text("good.pem") },
    fetch: (request) => new Response(request.headers.get("host")),
  });
  const secure = (ca?: string) =>
    startReplica(database, {
      isWorking: false,
      allowPrivate: false,
      isAllowed: (address) => address === "127.0.0.1",
      resolve: async () => ["127.0.0.1"],
      ...(ca === undefined ? {} : { ca }),
    });
  const trusting = secure(text("ca.pem"));
  const send = (replica: Replica, name: string) =>
    replica.sender.send({ url: `https://${name}:${server.port}/`, headers: {}, body: "{}" });
  const good = await send(trusting, "good.example");
  expect([good.error, Buffer.from(good.response).toString()]).toEqual([null, `good.example:${server.port}`]);
  expect(good.address).toBe("127.0.0.1");
  expect((await send(trusting, "other.example")).error).toBe("tls_failed");
  const strict = secure();
  expect((await send(strict, "good.example")).error).toBe("tls_failed");
  await Promise.all([trusting.stop(), strict.stop(), server.stop(true)]);
});

/** An authority and a certificate of its for good.example, by the openssl command. */
function makeCertificates(folder: string): void {
  const script = `
    mkdir -p ${folder} && cd ${folder}
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key -out ca.pem -days 2 \\
      -subj "/CN=authority" -addext basicConstraints=critical,CA:TRUE
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout good.key -out good.csr \\
      -subj "/CN=good.example"
    echo "subjectAltName=DNS:good.example" > extensions
    openssl x509 -req -in good.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out good.pem -days 2 -extfile extensions`;
  const made = Bun.spawnSync(["sh", "-ec", script]);
  if (made.exitCode !== 0) throw new Error(made.stderr.toString());
}
