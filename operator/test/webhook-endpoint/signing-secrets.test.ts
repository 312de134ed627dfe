import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { fingerprintOf } from "../../src/webhook-endpoint/signing/signing.ts";
import { patiently } from "../setup/patience.ts";
import { isSignedWith } from "../setup/receiver.ts";
import { secretKind } from "../setup/resources.ts";
import { type EndpointPlace, endpointPlace } from "./endpoints.ts";

setDefaultTimeout(300_000);

let endpoints: EndpointPlace;

beforeAll(async () => {
  endpoints = await endpointPlace();
}, 300_000);

afterAll(() => endpoints?.close());

test("rotate-now is followed once: both secrets sign for the overlap, and then the new one alone", async () => {
  const tenant = await endpoints.newTenant();
  const rotation = { policy: "Manual", overlap: "20s" };
  const endpoint = await endpoints.newEndpoint(tenant, { signing: { rotation } });
  await endpoint.ready();
  const first = (await endpoint.secret())?.["signing-secret"];
  await endpoint.annotate({ "payflow.dev/rotate-now": "1" });
  await endpoint.becomes("KeyRotating", { status: "True" });
  const rotated = await endpoint.secret();
  expect(rotated?.["signing-secret-previous"]).toBe(first);
  expect(rotated?.["signing-secret"]).not.toBe(first);
  const during = await endpoint.receives(tenant);
  expect([isSignedWith(during, first), isSignedWith(during, rotated?.["signing-secret"])]).toEqual([
    true,
    true,
  ]);
  expect((await endpoint.get())?.status).toMatchObject({
    lastHandledRotateNow: "1",
    signing: { previousExpiresAt: expect.any(String) },
  });
  await patiently(async () => (await endpoint.condition("KeyRotating"))?.status === "False");
  await patiently(async () =>
    expect(Object.keys((await endpoint.secret()) ?? {})).toEqual(["signing-secret"]),
  );
  const after = await endpoint.receives(tenant);
  expect([isSignedWith(after, first), isSignedWith(after, rotated?.["signing-secret"])]).toEqual([
    false,
    true,
  ]);
  expect((await endpoint.secret())?.["signing-secret"]).toBe(rotated?.["signing-secret"]);
  expect((await endpoint.events()).map(({ reason }) => reason)).toContain("SecretRotated");
});

test("a second rotation waits until the overlap of the first is over, which can be cut short", async () => {
  const tenant = await endpoints.newTenant();
  const endpoint = await endpoints.newEndpoint(tenant, { signing: { rotation: { overlap: "1h" } } });
  await endpoint.ready();
  await endpoint.annotate({ "payflow.dev/rotate-now": "1" });
  await endpoint.becomes("KeyRotating", { status: "True" });
  const first = await endpoint.secret();
  await endpoint.annotate({ "payflow.dev/rotate-now": "2" });
  await endpoint.becomes("KeyRotating", {
    status: "True",
    message: expect.stringContaining("What rotate-now asks"),
  });
  expect(await endpoint.secret()).toEqual(first as NonNullable<typeof first>);
  expect((await endpoint.get())?.status.lastHandledRotateNow).toBe("1");
  await endpoint.change({ signing: { rotation: { overlap: "0s" } } });
  await patiently(async () => (await endpoint.get())?.status.lastHandledRotateNow === "2");
  const second = await endpoint.secret();
  expect(Object.keys(second ?? {})).toEqual(["signing-secret"]);
  const message = await endpoint.receives(tenant);
  const older = [first?.["signing-secret"], first?.["signing-secret-previous"]];
  expect(older.map((secret) => isSignedWith(message, secret))).toEqual([false, false]);
  expect(isSignedWith(message, second?.["signing-secret"])).toBe(true);
});

test("a Secret that was deleted or edited by hand is put right with a new secret, and an Event says so", async () => {
  const tenant = await endpoints.newTenant();
  const endpoint = await endpoints.newEndpoint(tenant);
  await endpoint.ready();
  const name = `${endpoint.name}-signing-secret`;
  const first = (await endpoint.secret())?.["signing-secret"];
  const spoil = [
    () => endpoints.shop.remove(secretKind, name),
    () =>
      endpoints.shop.patch(secretKind, name, { data: { "signing-secret": btoa("whsec_of-somebody-else") } }),
    // The operator's own note as well.
    () =>
      endpoints.shop.patch(secretKind, name, {
        metadata: { annotations: { "payflow.dev/fingerprint": fingerprintOf("whsec_mine") } },
        data: { "signing-secret": btoa("whsec_mine") },
      }),
  ];
  for (const [index, spoiled] of spoil.entries()) {
    const before = (await endpoint.secret())?.["signing-secret"];
    await spoiled();
    const made = await patiently(async () => {
      const found = (await endpoint.secret())?.["signing-secret"];
      return found?.length === before?.length && found !== before && found;
    });
    expect(made).not.toBe(first);
    await patiently(async () => expect(isSignedWith(await endpoint.receives(tenant), made)).toBe(true));
    await patiently(async () => {
      const told = (await endpoint.events()).filter(({ reason }) => reason === "SecretRestored");
      // Of the same words there is one Event, with a count.
      expect(told).toHaveLength(Math.min(index + 1, 2));
    });
  }
});

test("a Secret that is not the endpoint's own is never touched, and is said to be in the way", async () => {
  const tenant = await endpoints.newTenant();
  const name = endpoints.newName("mine");
  await endpoints.place.cluster.kubectl([
    "create",
    "secret",
    "generic",
    name,
    "-n",
    endpoints.shop.name,
    "--from-literal=a=b",
  ]);
  const before = await endpoints.shop.get(secretKind, name);
  const endpoint = await endpoints.newEndpoint(tenant, { signing: { secretName: name } });
  await endpoint.becomes("Stalled", { status: "True", reason: "SecretNotOwned" });
  expect(await endpoint.condition("SecretReady")).toMatchObject({ status: "False" });
  await endpoint.annotate({ "payflow.dev/force-sync": "1" });
  await endpoint.becomes("Stalled", { status: "True" });
  expect(await endpoints.shop.get(secretKind, name)).toEqual(before);
  const other = await endpoints.newEndpoint(tenant, { signing: { secretName: name } });
  await other.becomes("Stalled", { status: "True", reason: "SecretNotOwned" });
  await other.remove();
  await patiently(async () => (await other.get()) === undefined);
  expect(await endpoints.shop.get(secretKind, name)).toEqual(before);
  await endpoints.shop.remove(secretKind, name);
  await endpoint.annotate({ "payflow.dev/force-sync": "2" });
  await endpoint.ready();
});
