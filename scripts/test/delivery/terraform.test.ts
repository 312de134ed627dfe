import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import { YAML } from "bun";
import { template, type Values } from "../chart/chart.ts";
import {
  initialize,
  renderTemplate,
  terraformWorkspace,
  testedFolders,
  type Workspace,
  whyNoTerraform,
} from "./terraform.ts";

const minutes = 60_000;
// Our own templates hold maps.
const objectOf = (text: string) => YAML.parse(text) as Values;
const reason = whyNoTerraform();

describe.skipIf(reason !== null)(`terraform${reason === null ? "" : ` (${reason})`}`, () => {
  let workspace: Workspace;

  beforeAll(() => {
    workspace = terraformWorkspace();
  });
  afterAll(() => workspace.remove());

  test("files are formatted, and one that is not is found", () => {
    const check = () => workspace.run(".", "fmt", "-check", "-recursive");
    expect(check()).toMatchObject({ exitCode: 0, output: "" });
    const planted = path.join(workspace.folder, "planted.tf");
    writeFileSync(planted, 'variable  "x" {}\n');
    expect(check().output).toContain("planted.tf");
    writeFileSync(planted, "");
  });

  test.each(testedFolders)(
    "%s: plans are right on a mocked AWS, and wrong variables are refused",
    (folder) => {
      expect(initialize(workspace, folder)).toMatchObject({ exitCode: 0 });
      const { output, exitCode } = workspace.run(folder, "test");
      expect(output).toMatch(/Success! \d+ passed, 0 failed/);
      expect(exitCode).toBe(0);
      // A module's tests hold its promises and its refusals.
      expect(output).toContain('run "refuses_');
    },
    10 * minutes,
  );

  test(
    "a module that breaks its promise fails its tests",
    () => {
      const file = path.join(workspace.folder, "modules/rds/main.tf");
      const text = readFileSync(file, "utf8");
      const broken = text.replace(/("rds\.force_ssl" *= )"1"/, '$1"0"');
      expect(broken).not.toBe(text);
      writeFileSync(file, broken);
      expect(initialize(workspace, "modules/rds")).toMatchObject({ exitCode: 0 });
      const { output, exitCode } = workspace.run("modules/rds", "test");
      writeFileSync(file, text);
      expect(output).toContain("Nobody connects without TLS.");
      expect(exitCode).not.toBe(0);
    },
    5 * minutes,
  );
});

test.skipIf(Bun.which("terraform") === null)(
  "the chart takes the values that Terraform renders (needs terraform on the PATH)",
  async () => {
    const values = renderTemplate("chart-values.yaml.tftpl", {
      image_repository: "123456789012.dkr.ecr.eu-central-1.amazonaws.com/payflow",
      kafka_brokers: "b-1.example:9096,b-2.example:9096",
      replicas: 3,
      topology_spread: "DoNotSchedule",
      store_cidrs: ["10.40.0.0/16"],
    });
    const rendered = await template(objectOf(values));
    expect(rendered.problem).toBe("");
    expect(rendered.text).toContain('value: "b-1.example:9096,b-2.example:9096"');
    expect(rendered.text).toContain("name: INGEST_REDIS_VOUCHED");

    const refused = await template({ ...objectOf(values), kafkaBrokers: "" });
    expect(refused.exitCode).not.toBe(0);
  },
  10 * minutes,
);

test.skipIf(Bun.which("terraform") === null)(
  "Terraform's secrets have every key that the chart's pods ask for (needs terraform on the PATH)",
  async () => {
    const apps = ["tenant", "payment", "fraud", "ledger", "notifier", "processor"];
    const roles = apps.flatMap((app) => [`${app}_owner`, `${app}_service`]);
    const text = renderTemplate("external-secrets.yaml.tftpl", {
      namespace: "payflow",
      region: "eu-central-1",
      platform_secret: "payflow/platform",
      postgresql_secrets: Object.fromEntries(roles.map((role) => [role, `payflow/postgresql/${role}`])),
      redis_secrets: { cache: "payflow/redis/cache-url", durable: "payflow/redis/durable-url" },
      kafka_secret: "AmazonMSK_payflow",
    });
    const given = new Set([...text.matchAll(/secretKey: (\S+)/g)].map(([, key]) => key));
    const values = { kafka: { brokers: "kafka.example:9096", sasl: { mechanism: "scram-sha-512" } } };
    const { text: manifests } = await template({ ...values, secrets: { kafka: "payflow-kafka" } });
    const asked = [
      ...manifests.matchAll(/name: payflow-(postgresql|redis)\n\s+key: (\S+)(\n\s+optional: true)?/g),
    ];
    const needed = asked.filter(([, , , optional]) => optional === undefined).map(([, , key]) => key);
    expect(needed.length).toBeGreaterThan(10);
    expect(needed.filter((key) => !given.has(key))).toEqual([]);
  },
  10 * minutes,
);

test("every module and environment has a test, and pins the provider alike", () => {
  const root = path.join(repositoryRoot, "terraform");
  expect(testedFolders).toHaveLength(9);
  for (const folder of testedFolders) {
    const name = path.basename(folder);
    expect(readFileSync(path.join(root, folder, "tests", `${name}.tftest.hcl`), "utf8")).toContain(
      "mock_provider",
    );
    const versions = readFileSync(path.join(root, folder, "versions.tf"), "utf8");
    expect(versions).toContain('version = ">= 5.80, < 7"');
    expect(versions).toContain('required_version = ">= 1.11, < 2"');
  }
});

test("no module comes from a registry", () => {
  const sources = testedFolders.flatMap((folder) =>
    [
      ...readFileSync(path.join(repositoryRoot, "terraform", folder, "main.tf"), "utf8").matchAll(
        /^ *source *= *"(.*)"/gm,
      ),
    ].map(([, source]) => source),
  );
  expect(sources).not.toBeEmpty();
  expect(sources.filter((source) => !source?.startsWith("../../modules/"))).toEqual([]);
});
