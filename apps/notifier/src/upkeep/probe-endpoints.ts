import { newId } from "@payflow/contracts/ids.ts";
import type { Logger } from "@payflow/service-kit/telemetry/logging.ts";
import { testMessage } from "../messages/message.ts";
import type { WebhookMetrics } from "../queue/webhook-metrics.ts";
import type { SecretBox } from "../sending/secret-box.ts";
import type { Sender } from "../sending/send.ts";
import { signedHeaders } from "../sending/signature.ts";
import type { ProbeTarget, UpkeepStore } from "./upkeep.store.ts";

export interface ProbeEndpoints {
  readonly upkeep: UpkeepStore;
  readonly sender: Sender;
  readonly secrets: SecretBox;
  readonly metrics: WebhookMetrics;
  readonly logger: Logger;
  /** Called after an endpoint was enabled: what waited for it is due. */
  readonly onQueueChanged: () => void;
}

const atOnce = 20;

/** Sends a test event to endpoints that were disabled for failing; one that takes it is enabled again. */
export async function probeEndpoints(deps: ProbeEndpoints): Promise<void> {
  const targets = await deps.upkeep.takeProbes(atOnce);
  await Promise.all(targets.map((target) => probe(deps, target)));
}

async function probe(deps: ProbeEndpoints, target: ProbeTarget): Promise<void> {
  const message = testMessage(target, target.endpointId, newId("evt"));
  const secret = deps.secrets.open(target.endpointId, target.secret);
  const headers = signedHeaders({ ...message, timestamp: Math.floor(target.nowSeconds) }, [secret]);
  const result = await deps.sender.send({ url: target.url, headers, body: message.body });
  const about = { endpoint_id: target.endpointId, tenant_id: target.tenantId, mode: target.mode };
  if (result.error !== null) {
    deps.logger.info({ ...about, reason: result.error }, "a disabled webhook endpoint still fails");
    return;
  }
  if (!(await deps.upkeep.recover(target))) return;
  deps.metrics.enabled.inc();
  deps.logger.info(about, "a webhook endpoint works again and was enabled");
  deps.onQueueChanged();
}
