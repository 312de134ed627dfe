import path from "node:path";
import { startInstallation } from "@payflow/one-machine/installation/start-installation.ts";
import { Client, textOf } from "./client.ts";
import { takeEvents } from "./events/take-events.ts";
import { payInManyWays } from "./payments.ts";
import { WebhookReceiver } from "./receiver.ts";
import { giveBack } from "./refunds.ts";
import { showBooks, showWebhooks } from "./review.ts";
import type { Shop } from "./shop.ts";
import { check, Story } from "./story.ts";

/**
 * Plays a tenant's day through the public API of an installation of its own; answers whether every step
 * held.
 */
export async function playDemo(): Promise<boolean> {
  console.log("Starting an installation for the demo; it goes when the demo is over.");
  const installation = await startInstallation({ say: (line) => console.log(`  ${line}`) });
  const receiver = new WebhookReceiver();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => void installation.stop().finally(() => process.exit(130)));
  }
  try {
    const story = new Story();
    const opened = await openShop({
      ...{ story, receiver, url: installation.url, client: new Client(), payments: new Map() },
      admin: new Client({ authorization: `Bearer ${installation.adminToken}` }),
      streamsUrl: installation.durableRedisUrl,
      exportFolder: path.join(installation.state, "exports"),
    });
    if (opened !== null) {
      await payInManyWays(opened);
      await giveBack(opened);
      await showBooks(opened);
      await showWebhooks(opened);
      await takeEvents(opened);
    }
    return story.end();
  } finally {
    await receiver.close();
    await installation.stop();
  }
}

/** Registers the tenant and its webhook; null when that failed, since nothing else can work then. */
async function openShop(shop: Shop): Promise<Shop | null> {
  const { story, receiver, url } = shop;
  let opened: Shop | null = null;
  story.chapter("A shop opens");
  await story.step("registers as a tenant", async () => {
    const { body } = await shop.client.call(`${url("tenant")}/tenants/register`, {
      method: "POST",
      body: { name: "Chai & Co", email: "owner@chai.example" },
      expect: 201,
    });
    const client = new Client({ "x-api-key": textOf(body, "api_key") });
    const tenantId = textOf(body, "tenant_id");
    const webhook = await client.call(`${url("tenant")}/tenants/${tenantId}/webhook`, {
      method: "PUT",
      body: { url: receiver.url },
      expect: 200,
    });
    receiver.trust(textOf(webhook.body, "signing_secret"));
    opened = { ...shop, client };
    return `${tenantId}, webhooks go to ${receiver.url}`;
  });
  await story.step("is refused without a key", async () => {
    const { body } = await shop.client.call(`${url("payment")}/payments`, { expect: 401 });
    check(body.code === "invalid_api_key", `the code is ${body.code}`);
    return "401 invalid_api_key";
  });
  return opened;
}
