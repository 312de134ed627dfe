/** A candidate in a process of its own, which writes notes as fast as it can while it leads. */
import { createLogger } from "@payflow/service-kit/telemetry/logging.ts";
import { Metrics } from "@payflow/service-kit/telemetry/metrics.ts";
import { startElection } from "../../src/kubernetes/election/election.ts";
import type { ResourceKind } from "../../src/kubernetes/objects/object.ts";
import { connectTo } from "./plain-connection.ts";

const [url = "", timing = "{}"] = process.argv.slice(2);
const notes: ResourceKind = {
  ...{ group: "", version: "v1", plural: "notes", kind: "Note", isNamespaced: true },
};
const logger = createLogger("candidate", "silent");
const metrics = new Metrics("candidate");
const client = connectTo(url, { metrics, logger });

startElection({
  ...{ client, logger, metrics, timing: JSON.parse(timing), identity: `process-${process.pid}` },
  lease: { namespace: "a", name: "leader" },
  async lead(term) {
    const guarded = client.within({ signal: term.signal, mayWrite: term.check });
    const { transitions } = term.token;
    for (let count = 0; term.isHeld(); count += 1) {
      const note = { metadata: { namespace: "a", name: `note-${count}` }, spec: { transitions } };
      await guarded.create(notes, note).catch(() => {});
    }
    await fetch(`${url}/over`, { headers: { "user-agent": "over" } });
  },
});
