import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { newId } from "@payflow/contracts/ids.ts";
import { eventually } from "@payflow/testkit/eventually.ts";
import {
  type NotifierDatabase,
  newOwner,
  notifierDatabase,
  paymentSettled,
  type Replica,
  startReplica,
} from "./fixture.ts";
import { type RawServer, startRawServer, startReceiver } from "./receiver.ts";

/** Takes connections on every address of this machine, IPv6 and IPv4, and counts them. */
let trap: RawServer;
let database: NotifierDatabase;
let guarded: Replica;

beforeAll(async () => {
  trap = await startRawServer(() => {}, "::");
  database = await notifierDatabase();
  guarded = startReplica(database, { allowPrivate: false, deadlineMs: 2_000 });
}, 60_000);

afterAll(async () => {
  await guarded.stop();
  await database.drop();
  trap.close();
});

const hosts = [
  ...["127.0.0.1", "127.0.0.2", "127.1", "127.0.1", "127.255.255.255", "127.0.0.1.", "0.0.0.0", "0", "0.0"],
  ...["2130706433", "017700000001", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "0x7F.1", "127.0.0x0.1"],
  ...[
    "0177.0.0.01",
    "0x7f.0x0.0x0.0x1",
    "00000177.0.0.1",
    "%31%32%37.0.0.1",
    "１２７.０.０.１",
    "127。0。0。1",
  ],
  ...[
    "10.0.0.1",
    "10.255.255.255",
    "167772161",
    "172.16.0.1",
    "172.31.255.254",
    "192.168.0.1",
    "192.168.255.255",
  ],
  ...["0xc0a80001", "169.254.169.254", "169.254.0.1", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376"],
  ...["100.64.0.1", "100.127.255.255", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.9"],
  ...["224.0.0.1", "240.0.0.1", "255.255.255.255", "192.88.99.1"],
  ...[
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[0000::0001]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
  ],
  ...["[::FFFF:7F00:0001]", "[::ffff:0:127.0.0.1]", "[::ffff:10.0.0.1]", "[::ffff:169.254.169.254]"],
  ...["[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::7f00:1]"],
  ...["[2002:7f00:1::]", "[2002:7f00:1::7f00:1]", "[2001:0:7f00:1::]", "[fe80::1]", "[febf::1]", "[fec0::1]"],
  ...["[fc00::1]", "[fd00::1]", "[fd00:ec2::254]", "[ff02::1]", "[2001:db8::1]", "[100::1]", "[5f00::1]"],
];

describe(`each of ${hosts.length} forms of a forbidden address`, () => {
  test("is at least the sixtieth", () => expect(hosts.length).toBeGreaterThanOrEqual(60));

  test.each(hosts)("%s is refused when it is given, and never connected to", async (host) => {
    const url = `https://${host}:${trap.port}/`;
    const refused = await guarded.call(newOwner(), "POST", "/webhook-endpoints", {
      url,
      events: ["payment.settled"],
    });
    expect([refused.status, refused.body.errors?.[0]?.pointer]).toEqual([400, "/url"]);
    const result = await guarded.sender.send({ url, headers: {}, body: "{}" });
    expect(result).toMatchObject({ error: "forbidden_address", address: null, statusCode: null });
    expect(trap.connections()).toBe(0);
  });
});

test.each([
  ["loopback", ["127.0.0.1"]],
  ["loopback in IPv6", ["::1"]],
  ["a mapped address", ["::ffff:127.0.0.1"]],
  ["a private address behind a public one", ["1.1.1.1", "127.0.0.1"]],
  ["a private IPv6 address behind a public IPv4 one", ["1.1.1.1", "fd00::1"]],
  ["the clouds' metadata", ["169.254.169.254"]],
  ["an address with a zone", ["fe80::1%lo"]],
  ["what is no address", ["localhost"]],
])("a name that resolves to %s is not connected to", async (_what, addresses) => {
  const replica = startReplica(database, {
    allowPrivate: false,
    isWorking: false,
    resolve: async () => addresses,
  });
  const url = `https://public.example:${trap.port}/`;
  expect((await replica.sender.send({ url, headers: {}, body: "{}" })).error).toBe("forbidden_address");
  expect(trap.connections()).toBe(0);
  await replica.stop();
});

test("this machine's own names are not connected to, whatever its resolver says", async () => {
  for (const name of ["localhost", "ip6-localhost", "localhost.", "LOCALHOST"]) {
    const result = await guarded.sender.send({
      url: `https://${name}:${trap.port}/`,
      headers: {},
      body: "{}",
    });
    expect(["forbidden_address", "name_not_resolved"]).toContain(result.error ?? "none");
  }
  expect(trap.connections()).toBe(0);
});

test("http is not spoken, even to an address that is allowed", async () => {
  const url = `http://public.example:${trap.port}/`;
  expect((await guarded.sender.send({ url, headers: {}, body: "{}" })).error).toBe("insecure_url");
  expect(trap.connections()).toBe(0);
});

test("an endpoint that was stored with a private address is not connected to by the worker", async () => {
  const owner = newOwner();
  const { body } = await guarded.call(owner, "POST", "/webhook-endpoints", {
    url: "https://example.com/",
    events: ["payment.settled"],
  });
  await database.sql`update endpoint set url = ${`https://127.0.0.1:${trap.port}/`} where id = ${body.endpoint_id}`;
  await guarded.consume(paymentSettled(owner));
  const list = `/webhook-deliveries?endpoint_id=${body.endpoint_id}`;
  await eventually(
    async () => (await guarded.call(owner, "GET", list)).body.data[0]?.last_error === "forbidden_address",
  );
  expect(trap.connections()).toBe(0);
});

/** Allows 127.0.0.1 alone, so that 127.0.0.2 stands for what must not be reached. */
const onlyFirst = {
  allowPrivate: true,
  isAllowed: (address: string) => address === "127.0.0.1",
  isWorking: false,
};

test("a name that is rebound after the check is still connected at the address that was checked", async () => {
  const forbidden = await startRawServer((socket) => socket.end(), "127.0.0.2");
  const allowed = await startRawServer(
    (socket) => socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")),
    "127.0.0.1",
    forbidden.port,
  );
  let asked = 0;
  const answers = [["127.0.0.1"], ["127.0.0.2"], ["127.0.0.1", "127.0.0.2"], ["127.0.0.1"]];
  const replica = startReplica(database, { ...onlyFirst, resolve: async () => answers[asked++ % 4] ?? [] });
  const url = `http://rebinding.example:${forbidden.port}/`;
  const results = [];
  for (let count = 0; count < 8; count += 1) {
    results.push((await replica.sender.send({ url, headers: {}, body: "{}" })).error);
  }
  const round = [null, "forbidden_address", "forbidden_address", null];
  expect(results).toEqual([...round, ...round]);
  expect(asked).toBe(8);
  expect(forbidden.connections()).toBe(0);
  expect(allowed.connections()).toBe(4);
  await replica.stop();
  forbidden.close();
  allowed.close();
});

test("a redirect from an allowed place to a forbidden one is not followed", async () => {
  const forbidden = await startRawServer((socket) => socket.end(), "127.0.0.2");
  const locations = [
    `http://127.0.0.2:${forbidden.port}/`,
    `//127.0.0.2:${forbidden.port}/`,
    "gopher://127.0.0.2/",
  ];
  const replica = startReplica(database, { ...onlyFirst, resolve: async () => ["127.0.0.1"] });
  for (const location of locations) {
    const receiver = startReceiver(() => new Response(null, { status: 307, headers: { location } }));
    const url = `http://allowed.example:${receiver.port}/`;
    expect((await replica.sender.send({ url, headers: {}, body: "{}" })).error).toBe("redirect");
    receiver.close();
  }
  expect(forbidden.connections()).toBe(0);
  await replica.stop();
  forbidden.close();
});

test("a proxy named by the environment is not used", async () => {
  const names = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"] as const;
  const before = names.map((name) => process.env[name]);
  for (const name of names) process.env[name] = `http://127.0.0.1:${trap.port}`;
  const receiver = startReceiver();
  const replica = startReplica(database, { ...onlyFirst, resolve: async () => ["127.0.0.1"] });
  try {
    const url = `http://direct.example:${receiver.port}/${newId("evt")}`;
    expect((await replica.sender.send({ url, headers: {}, body: "{}" })).error).toBeNull();
    expect(trap.connections()).toBe(0);
  } finally {
    for (const [index, name] of names.entries()) {
      const value = before[index];
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    await replica.stop();
    receiver.close();
  }
});
