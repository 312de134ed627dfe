import { expect, test } from "bun:test";
import { platformDatabases } from "@payflow/one-machine/stores/databases.ts";
import { startTestPostgres } from "@payflow/testkit/postgres.ts";
import postgres from "postgres";
import { find, type KubernetesObject, objectsOf } from "./chart.ts";

const patienceMs = 120_000;

test.skipIf(Bun.which("psql") === null)(
  "a trial's PostgreSQL makes each app's database and roles on its first start, and their URLs open it",
  async () => {
    const server = new URL(await startTestPostgres());
    const objects = await objectsOf({ dev: { enabled: true }, eventBus: "redis" });
    const { stringData } = find(objects, "Secret", "payflow-trial");
    const [container] = find(objects, "StatefulSet", "payflow-postgresql").spec.template.spec.containers;
    const given = container.env.map(({ name, value, valueFrom }: KubernetesObject) => [
      name,
      value ?? stringData[valueFrom.secretKeyRef.key],
    ]);
    // As the image's own entry runs what it finds, but for the server and its superuser, which are this test's.
    const script = find(objects, "ConfigMap", "payflow-postgresql").data["databases.sh"];
    const { hostname: PGHOST, port: PGPORT, password: PGPASSWORD } = server;
    const made = Bun.spawnSync(["bash", "-Eeo", "pipefail", "-c", script], {
      env: { PATH: process.env.PATH, ...Object.fromEntries(given), PGHOST, PGPORT, PGPASSWORD },
    });
    expect(made.stderr.toString()).toBe("");
    expect(made.exitCode).toBe(0);
    for (const { name } of platformDatabases) {
      for (const [key, role] of [
        [`${name}-url`, `${name}_service`],
        [`${name}-owner-url`, `${name}_owner`],
      ] as const) {
        const url = new URL(stringData[key]);
        url.host = server.host;
        const sql = postgres(url.href, { max: 1 });
        const [found] = await sql`select current_user as role, current_database() as database`;
        expect(found).toEqual({ role, database: `payflow_${name}` });
        await sql.end();
      }
    }
  },
  patienceMs,
);
