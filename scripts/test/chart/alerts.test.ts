import { beforeAll, expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { helmBinary, promtoolBinary } from "@payflow/one-machine/cluster/chart-tools.ts";
import { platform } from "@payflow/one-machine/installation/apps.ts";
import { runCommand } from "@payflow/one-machine/processes/run-command.ts";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import { temporaryFolder } from "@payflow/testkit/temporary-folder.ts";
import { Glob } from "bun";
import { type AlertCase, alertCases } from "./alert-cases.ts";
import { chartFolder, find, type KubernetesObject, leastValues, names, objectsOf } from "./chart.ts";

const buildMs = 30 * 60_000;
const apps = [...platform.apps.map(({ name }) => name), "operator"];
const folder = temporaryFolder();
let objects: KubernetesObject[];
let promtool: string;

beforeAll(async () => {
  await helmBinary();
  promtool = await promtoolBinary();
  objects = await objectsOf({
    ...{ ...leastValues, networkPolicy: { metricsFrom: [{ namespaceSelector: {} }] } },
    monitoring: { rules: true, serviceMonitors: true },
  });
}, buildMs);

const groupsOf = (app: string) => find(objects, "PrometheusRule", `payflow-${app}`).spec.groups;
const rulesOf = (app: string): KubernetesObject[] => groupsOf(app)[0].rules;

/** A file for promtool, which reads JSON as the YAML that it is. */
function write(name: string, content: unknown): string {
  const file = path.join(folder, name);
  writeFileSync(file, JSON.stringify(content));
  return file;
}

test("every app and the operator has alerts, and its metrics read", () => {
  const wanted = apps.map((app) => `payflow-${app}`).sort();
  expect(names(objects, "PrometheusRule").sort()).toEqual(wanted);
  expect(names(objects, "ServiceMonitor").sort()).toEqual(wanted);
});

test("Prometheus reads every alert, and sees nothing wrong in it", async () => {
  const files = apps.map((app) => write(`rules-${app}.yaml`, { groups: groupsOf(app) }));
  const checked = await runCommand([promtool, "check", "rules", "--lint=all", "--lint-fatal", ...files]);
  expect(checked).toMatchObject({ exitCode: 0 });
  const wrong = write("wrong.yaml", { groups: [{ name: "a", rules: [{ alert: "A", expr: "sum(up" }] }] });
  expect((await runCommand([promtool, "check", "rules", wrong])).exitCode).not.toBe(0);
});

test("each alert fires in one of the cases below, and is quiet in another of the same app", () => {
  for (const app of apps) {
    for (const { alert } of rulesOf(app)) {
      const cases = alertCases.filter(({ firing }) => firing.includes(alert));
      expect(cases.length, alert).toBeGreaterThan(0);
      const isQuiet = (other: string) =>
        alertCases.some(({ app: one, firing }) => one === other && !firing.includes(alert));
      expect(
        cases.some((one) => isQuiet(one.app)),
        alert,
      ).toBe(true);
    }
  }
});

/** One of two pods answers, unless the case says otherwise; tenant's beats go on, too. */
function seriesOf({ app, series }: AlertCase) {
  const usual = {
    'up{pod="a"}': "1x300",
    ...(app === "tenant" ? { 'payflow_tenant_change_beats_total{pod="a",outcome="failed"}': "0x300" } : {}),
  };
  const labels = `namespace="payments",service="payflow-${app}",`;
  // What another app, or another release's, reports is no business of this alert's.
  const elsewhere = 'up{namespace="others",service="payflow-ledger",pod="a"}';
  return [
    { series: elsewhere, values: "1x300" },
    ...Object.entries({ ...usual, ...series }).map(([name, values]) => ({
      ...{ series: name.replace("{", `{${labels}`), values },
    })),
  ];
}

test.each(alertCases.map((one) => [`${one.app}: ${one.says}`, one] as const))("%s", async (_, one) => {
  write("rules.yaml", { groups: groupsOf(one.app) });
  const file = write("test.yaml", {
    rule_files: ["rules.yaml"],
    evaluation_interval: "30s",
    tests: [
      {
        ...{ interval: "30s", input_series: seriesOf(one) },
        promql_expr_test: [
          {
            ...{ expr: 'count by (alertname) (ALERTS{alertstate="firing"})', eval_time: one.after },
            exp_samples: one.firing.map((name) => ({ labels: `{alertname="${name}"}`, value: 1 })),
          },
        ],
      },
    ],
  });
  const { exitCode, stdout, stderr } = await runCommand([promtool, "test", "rules", file]);
  expect(exitCode, `${stdout}${stderr}`).toBe(0);
});

test("alerts ask for metrics and labels that there are, of this release's pods alone", () => {
  const files = [...new Glob("{apps,packages,operator}/**/src/**/*.ts").scanSync(repositoryRoot)];
  const sources = files
    .filter((file) => !file.includes("node_modules") && !file.endsWith(".test.ts"))
    .map((file) => readFileSync(path.join(repositoryRoot, file), "utf8"));
  const sourceOf = (metric: string) =>
    sources.find((text) =>
      [metric, metric.replace(/_count$/, "")].some((name) => text.includes(`"${name}"`)),
    );
  for (const app of apps) {
    for (const { alert, expr, annotations } of rulesOf(app)) {
      expect(expr, alert).toContain(`namespace="payments",service="payflow-${app}"`);
      expect(`${expr}${JSON.stringify(annotations)}`).not.toContain("@");
      expect(annotations.summary).toMatch(/[.]$/);
      for (const [, metric = "", labels = ""] of expr.matchAll(/(payflow_[a-z_]+)\{([^}]*)\}/g)) {
        const source = sourceOf(metric);
        expect(source, metric).toBeDefined();
        const grouped = [...expr.matchAll(/by \((\w+)\)/g)].map(([, label]) => label);
        const asked = [...labels.matchAll(/(\w+)[=!]/g)].map(([, label]) => label);
        const own = [...asked, ...grouped].filter((label) => !/^(namespace|service|pod)$/.test(label ?? ""));
        for (const label of own) expect(source, metric).toMatch(new RegExp(`\\b${label}\\b`));
      }
      for (const [metric] of expr.matchAll(/payflow_[a-z_]+/g)) {
        expect(expr, metric).toContain(`${metric}{namespace="payments",service="payflow-${app}"`);
      }
    }
  }
});

test("the file of alerts of each app is one of an app's", () => {
  const files = readdirSync(path.join(chartFolder, "files/rules")).map((file) => file.replace(".yaml", ""));
  expect(files.sort()).toEqual([...apps, "every", "consumers"].sort());
});
