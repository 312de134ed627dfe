import { expect, test } from "bun:test";
import { createSocket } from "node:dgram";
import dns from "node:dns";
import { createResolver } from "./resolve-host.ts";

/** A name server that answers 192.0.2.7 for every name but those that begin with `slow`: there it is silent. */
async function nameServer() {
  const socket = createSocket("udp4");
  const asked = new Set<string>();
  socket.on("message", (query, from) => {
    let at = 12;
    const labels: string[] = [];
    for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
      labels.push(query.toString("latin1", at + 1, at + 1 + length));
      at += length + 1;
    }
    asked.add(labels.join("."));
    if (labels[0]?.startsWith("slow")) return;
    const isA = query.readUInt16BE(at + 1) === 1;
    const header = Buffer.from([0x81, 0x80, 0, 1, 0, isA ? 1 : 0, 0, 0, 0, 0]);
    const address = Buffer.from([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 192, 0, 2, 7]);
    const question = query.subarray(12, at + 5);
    const parts = [query.subarray(0, 2), header, question, ...(isA ? [address] : [])];
    socket.send(Buffer.concat(parts), from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  return { port: socket.address().port, asked, close: () => socket.close() };
}

test("names whose servers never answer hold up no other name, however many they are", async () => {
  const server = await nameServer();
  const before = dns.getServers();
  dns.setServers([`127.0.0.1:${server.port}`]);
  try {
    const resolve = createResolver();
    let ended = 0;
    for (let index = 0; index < 48; index += 1) {
      resolve(`slow${index}.example`)
        .catch(() => [])
        .then(() => {
          ended += 1;
        });
    }
    expect(await resolve("quick.example")).toEqual(["192.0.2.7"]);
    expect(ended).toBe(0);
    expect([...server.asked].some((name) => name.startsWith("slow"))).toBe(true);
  } finally {
    dns.setServers(before);
    server.close();
  }
});
