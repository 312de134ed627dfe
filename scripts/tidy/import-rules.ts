import { dirname, join } from "node:path/posix";
import {
  importsOf,
  isCode,
  isTest,
  type Rule,
  type SourceFile,
  sourceFile,
  type Violation,
} from "./source-file.ts";

type Judge = (path: string, from: string) => string | undefined;

function judgeImports(files: readonly SourceFile[], judge: Judge): Violation[] {
  return files
    .filter((file) => file.path.endsWith(".ts"))
    .flatMap((file) =>
      importsOf(file).flatMap(({ from, line }) => {
        const target = from.startsWith(".") ? join(dirname(file.path), from) : from;
        const message = judge(file.path, target);
        return message === undefined ? [] : [{ path: file.path, line, message }];
      }),
    );
}

function workspace(path: string): string {
  return path.split("/").slice(0, 2).join("/");
}

/** Which packages each layer may import; tests may import the test kit besides. */
const layers: readonly { readonly of: RegExp; readonly mayImport: readonly string[] }[] = [
  { of: /^packages\/contracts\//, mayImport: [] },
  { of: /^packages\/service-kit\//, mayImport: ["contracts"] },
  { of: /^packages\/one-machine\//, mayImport: ["contracts", "service-kit"] },
  { of: /^packages\/testkit\//, mayImport: ["contracts", "service-kit", "one-machine"] },
  { of: /^(apps|operator)\//, mayImport: ["contracts", "service-kit"] },
];

const layersRule: Rule = {
  name: "contracts <- service-kit <- apps, and the test kit in tests alone",
  check: (files) =>
    judgeImports(files, (path, from) => {
      const layer = layers.find(({ of }) => of.test(path));
      const [, target] = /^@payflow\/([a-z-]+)\//.exec(from) ?? [];
      if (layer === undefined || target === undefined || layer.mayImport.includes(target)) return undefined;
      if (isTest(path) && (target === "testkit" || target === "one-machine")) return undefined;
      return `${workspace(path)} may not import @payflow/${target}`;
    }),
  planted: [
    sourceFile(
      "packages/contracts/src/planted.ts",
      'import { x } from "@payflow/service-kit/process/config.ts";',
    ),
    sourceFile("apps/ledger/src/planted.ts", 'import { x } from "@payflow/testkit/postgres.ts";'),
  ],
};

const crossWorkspaceRule: Rule = {
  name: "no workspace reaches into another by path, and no app imports an app",
  check: (files) =>
    judgeImports(files, (path, target) => {
      const isInWorkspace = /^(apps|packages)\//.test(path) && /^(apps|packages)\//.test(target);
      const isForeign = isInWorkspace && workspace(path) !== workspace(target);
      const isApp = /^@payflow\/app-/.test(target) && path.startsWith("apps/");
      return isForeign || isApp ? `${path} reaches into ${target}` : undefined;
    }),
  planted: [sourceFile("apps/ledger/src/planted.ts", 'import { x } from "../../payment/src/schema.ts";')],
};

const storesRule: Rule = {
  name: "a store is imported by its own folder's use cases, never by routes or another folder",
  check: (files) =>
    judgeImports(files, (path, target) => {
      if (!isCode(path) || !target.endsWith(".store.ts") || !path.startsWith("apps/")) return undefined;
      if (/\/src\/(main|server|dependencies)\.ts$/.test(path)) return undefined;
      if (path.endsWith(".routes.ts")) return "routes go through a use case, not to the store";
      return dirname(path) === dirname(target)
        ? undefined
        : "another folder's store is reached through a use case";
    }),
  planted: [
    sourceFile("apps/payment/src/refunds/refunds.routes.ts", 'import { x } from "./refunds.store.ts";'),
    sourceFile("apps/payment/src/refunds/planted.ts", 'import { x } from "../payments/payments.store.ts";'),
  ],
};

const frameworkRule: Rule = {
  name: "only routes and servers know Elysia, only the kit knows Kafka",
  check: (files) =>
    judgeImports(files, (path, from) => {
      if (!isCode(path) || !path.startsWith("apps/")) return undefined;
      if (from === "kafkajs") return "apps reach the bus through the kit";
      const isHttp = /(\.routes|\/server)\.ts$/.test(path);
      return from === "elysia" && !isHttp ? "use cases know no Elysia" : undefined;
    }),
  planted: [sourceFile("apps/payment/src/payments/planted.ts", 'import { Elysia } from "elysia";')],
};

const kubernetesRule: Rule = {
  name: "what the operator knows of Kubernetes knows nothing of payments",
  check: (files) =>
    judgeImports(files, (path, target) => {
      if (!isCode(path) || !path.startsWith("operator/src/kubernetes/")) return undefined;
      const isOurs = target.startsWith("operator/") && !target.startsWith("operator/src/kubernetes/");
      return isOurs || target.startsWith("@payflow/contracts/")
        ? `${path} reaches into ${target}`
        : undefined;
    }),
  planted: [
    sourceFile("operator/src/kubernetes/cache/planted.ts", 'import { x } from "../../keys/secret.ts";'),
    sourceFile("operator/src/kubernetes/planted.ts", 'import { x } from "@payflow/contracts/ids.ts";'),
  ],
};

const barrelRule: Rule = {
  name: "no barrels",
  check: (files) =>
    files
      .filter((file) => /(^|\/)index\.ts$/.test(file.path))
      .map((file) => ({ path: file.path, line: 1, message: "import from the file itself" })),
  planted: [sourceFile("packages/contracts/src/index.ts", 'export * from "./ids.ts";')],
};

export const importRules = [
  layersRule,
  crossWorkspaceRule,
  storesRule,
  frameworkRule,
  kubernetesRule,
  barrelRule,
];
