import { settled } from "@payflow/service-kit/store/redis.ts";
import { ExportSpace, type Space } from "./export-space.ts";

// An exporter process to be killed: it gets its space as its one argument, and runs until SIGTERM.
const given: Space = JSON.parse(process.argv[2] ?? "");
const space = new ExportSpace(given);
await settled(space.redis);
const running = space.run();
process.on("SIGTERM", async () => {
  await running.stop();
  process.exit(0);
});
console.log("running");
