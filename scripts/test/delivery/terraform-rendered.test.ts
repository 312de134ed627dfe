import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { runCommand } from "@payflow/one-machine/processes/run-command.ts";
import { testPostgres } from "@payflow/testkit/postgres.ts";
import { YAML } from "bun";
import postgres from "postgres";
import { documents, examples, objectsOf, template, type Values } from "../chart/chart.ts";
import { renderTemplate } from "./terraform.ts";

const minutes = 60_000;
const hasTerraform = Bun.which("terraform") !== null;
const needed = "needs terraform on the PATH";
// Terraform's own tests hold it to this file: it is what the environment `production` renders.
const rendered = YAML.parse(readFileSync(path.join(examples, "values/aws.yaml"), "utf8")) as Values;

test(
  "the chart takes what Terraform renders, by itself and over the values for production",
  async () => {
    const alone = await template(rendered);
    expect(alone.problem).toBe("");
    expect(alone.text).toContain("name: INGEST_REDIS_VOUCHED");
    expect(alone.text).toContain(`value: "${(rendered.kafka as { brokers: string }).brokers}"`);

    const production = path.join(examples, "values/production.yaml");
    const over = await objectsOf(rendered, { files: [production] });
    expect(over.some(({ kind }) => kind === "HTTPRoute")).toBe(true);

    // Nothing that it says is the chart's to pass over.
    const refused = await template({ ...rendered, kafkaBrokers: "" });
    expect(refused.exitCode).not.toBe(0);
    expect(refused.problem).toContain("kafkaBrokers");
  },
  10 * minutes,
);

const apps = ["tenant", "payment", "fraud", "ledger", "notifier", "processor"];

test.skipIf(!hasTerraform)(
  `Terraform's secrets have every key that the chart's pods ask for, and no other (${needed})`,
  async () => {
    const roles = apps.flatMap((app) => [`${app}_owner`, `${app}_service`]);
    const text = await renderTemplate("platform/external-secrets.yaml.tftpl", {
      namespace: "payflow",
      region: "eu-central-1",
      platform_secret: "payflow/platform",
      postgresql_secrets: Object.fromEntries(roles.map((role) => [role, `payflow/postgresql/${role}`])),
      redis_secrets: Object.fromEntries(
        ["cache", "durable", "ingest"].map((store) => [store, `payflow/redis/${store}-url`]),
      ),
      kafka_secret: "AmazonMSK_payflow",
    });
    const given = [...text.matchAll(/secretKey: (\S+)/g)].map(([, key]) => key);
    const { text: manifests } = await template(rendered);
    const asked = [
      ...manifests.matchAll(/name: payflow-(postgresql|redis)\n\s+key: (\S+)(\n\s+optional: true)?/g),
    ];
    const mandatory = asked.filter(([, , , optional]) => optional === undefined).map(([, , key]) => key);
    expect(mandatory.length).toBeGreaterThan(10);
    expect(mandatory.filter((key) => !given.includes(key))).toEqual([]);
    expect(given.filter((key) => !asked.some(([, , name]) => name === key))).toEqual([]);
  },
  10 * minutes,
);

const hasPsql = Bun.which("psql") !== null;

test.skipIf(!hasTerraform || !hasPsql)(
  `the Job's script makes databases and roles as RDS's master, again and again (${needed}, and psql)`,
  async () => {
    const database = await testPostgres("tenant");
    const admin = postgres(database.adminUrl, { max: 1, onnotice: () => {} });
    // Names of roles and databases belong to the whole server.
    const app = `shop${randomLetters()}`;
    const master = `master${randomLetters()}`;
    try {
      // What RDS gives: no superuser, but one who may make roles and databases.
      await admin.unsafe(`create role ${master} login createrole createdb password 'master'`);
      const sql = await renderTemplate("rds/create-roles.sql.tftpl", { apps: [app] });
      const manifests = await renderTemplate("platform/create-roles.yaml.tftpl", {
        ...{ namespace: "payflow", address: "db.example", master, sql },
      });
      const [configMap, job] = documents(manifests);
      expect(configMap.data["roles.sql"].trim()).toBe(sql.trim());
      const [container] = job.spec.template.spec.containers;
      expect(container.command).toEqual(["psql", "--no-psqlrc", "--file=/sql/roles.sql"]);
      expect(container.env).toContainEqual({ name: "PGSSLMODE", value: "verify-full" });

      const run = (passwords: Record<string, string>) =>
        psql(database.adminUrl, master, configMap.data["roles.sql"], passwords);
      const upper = app.toUpperCase();
      const passwords = { [`${upper}_OWNER_PASSWORD`]: "o'wner", [`${upper}_SERVICE_PASSWORD`]: "service" };
      expect(await run(passwords)).toMatchObject({ exitCode: 0 });
      expect(await run({ ...passwords, [`${upper}_SERVICE_PASSWORD`]: "changed" })).toMatchObject({
        exitCode: 0,
      });

      const owner = connect(database.adminUrl, app, `${app}_owner`, "o'wner");
      await owner`create table shelves (id int)`;
      await owner.end();
      const service = connect(database.adminUrl, app, `${app}_service`, "changed");
      expect(service`create table mine (id int)`.then(() => "made")).rejects.toThrow("permission denied");
      expect(service`drop table shelves`.then(() => "gone")).rejects.toThrow("must be owner");
      await service.end();
      const [stranger] = await admin`select has_database_privilege('tenant_service', ${`payflow_${app}`},
        'connect') as may`;
      expect(stranger?.may).toBe(false);

      // No role gets the password of the one before it.
      const half = await run({ [`${upper}_OWNER_PASSWORD`]: "o'wner" });
      expect(half.exitCode).not.toBe(0);
      const still = connect(database.adminUrl, app, `${app}_service`, "changed");
      expect(await still`select 1 as one`).toHaveLength(1);
      await still.end();
    } finally {
      await admin.unsafe(`drop database if exists payflow_${app} with (force)`);
      await admin.unsafe(`drop role if exists ${app}_owner, ${app}_service, ${master}`);
      await admin.end();
      await database.drop();
    }
  },
  5 * minutes,
);

function randomLetters(): string {
  return [...randomBytes(10)].map((byte) => String.fromCharCode(97 + (byte % 26))).join("");
}

function connect(serverUrl: string, app: string, role: string, password: string) {
  const { hostname, port } = new URL(serverUrl);
  return postgres({
    ...{ host: hostname, port: Number(port), database: `payflow_${app}`, username: role, password, max: 1 },
    onnotice: () => {},
  });
}

function psql(serverUrl: string, role: string, script: string, passwords: Record<string, string>) {
  const { hostname, port } = new URL(serverUrl);
  return runCommand(["psql", "--no-psqlrc", "--file=-"], {
    env: {
      ...{ PATH: process.env.PATH, PGHOST: hostname, PGPORT: port, PGDATABASE: "postgres" },
      ...{ PGUSER: role, PGPASSWORD: "master", ...passwords },
    },
    input: script,
  });
}
