import { beforeAll, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { helmBinary } from "@payflow/one-machine/cluster/chart-tools.ts";
import { kubeBinary } from "@payflow/one-machine/cluster/kube-binary.ts";
import { runCommand } from "@payflow/one-machine/processes/run-command.ts";
import { repositoryRoot } from "@payflow/one-machine/stores/databases.ts";
import { template } from "./chart.ts";

const buildMs = 30 * 60_000;
const patienceMs = 120_000;
const page = readFileSync(path.join(repositoryRoot, "docs/install.md"), "utf8");
/** What the page has one type, each command on a line of its own; what comments say is no command. */
const shell = [...page.matchAll(/```sh\n([\s\S]*?)```/g)]
  .map(([, block = ""]) => block.replaceAll(/\\\n\s*/g, " ").replaceAll(/(^|\s)#.*$/gm, ""))
  .join("\n");
let programs: Readonly<Record<string, readonly string[]>>;

beforeAll(async () => {
  programs = {
    helm: [await helmBinary()],
    kubectl: [await kubeBinary(), "kubectl"],
    "./payflow": [process.execPath, path.join(repositoryRoot, "scripts/payflow.ts")],
  };
}, buildMs);

interface Command {
  readonly program: string;
  readonly words: readonly string[];
  readonly flags: readonly string[];
}

/** The commands of the page that call one of our programs, also those within others. */
function commands(): Command[] {
  return [...shell.matchAll(/(helm|kubectl|\.\/payflow) ([^|&)\n]*)/g)].map(([, program = "", rest = ""]) => {
    const given = rest
      .replaceAll(/--namespace \S+/g, "")
      .trim()
      .split(/\s+/);
    // Behind two dashes stands what a pod runs.
    const own = given.includes("--") ? given.slice(0, given.indexOf("--")) : given;
    const first = own.findIndex((word) => word.startsWith("-"));
    const flags = own.flatMap((word) => /^--[a-z-]+/.exec(word)?.[0] ?? []);
    return { program, words: own.slice(0, first < 0 ? undefined : first), flags };
  });
}

/** How many of a command's words name it: the rest is what it is about. */
function namedBy({ program, words: [first, second] }: Command): number {
  if (program === "kubectl" && first === "create") return second === "secret" ? 3 : 2;
  return program === "./payflow" && first === "cluster" ? 2 : 1;
}

/** What a command's help says of it; throws where there is no such command. */
async function helpOf(command: Command): Promise<string> {
  const { program, words } = command;
  const named = words.slice(0, namedBy(command));
  const start = programs[program] ?? [];
  const help = await runCommand([...start, ...named, "--help"]);
  if (help.exitCode !== 0) throw new Error(`${program} ${named.join(" ")} is no command.`);
  const shared = program === "kubectl" ? (await runCommand([...start, "options"])).stdout : "";
  return `${help.stdout}${shared}`;
}

test(
  "every command of the page about installing is one that there is, with flags that it knows",
  async () => {
    const all = commands();
    expect(all.length).toBeGreaterThan(25);
    const helps = new Map<string, string>();
    for (const command of all) {
      const name = [command.program, ...command.words.slice(0, namedBy(command))].join(" ");
      const help = helps.get(name) ?? (await helpOf(command));
      helps.set(name, help);
      expect(help, name).toMatch(new RegExp(`^\\s*(Usage: )?\\S*${name.replace("./", "")}\\b`, "m"));
      for (const flag of command.flags) {
        expect(help, `${name} ${flag}`).toMatch(new RegExp(`${flag}(?![\\w-])`));
      }
    }
  },
  patienceMs,
);

test("every file that the page names is there", () => {
  const named = [...shell.matchAll(/\b((?:examples|charts)\/[\w./-]+)/g)].map(([, file = ""]) => file);
  const linked = [...page.matchAll(/\]\((?!#|https?:)([^)#]+)/g)].map(([, file = ""]) => `docs/${file}`);
  const headings = [...page.matchAll(/^#+ (.*)$/gm)].map(([, text = ""]) =>
    text
      .toLowerCase()
      .replaceAll(/[^\w -]/g, "")
      .replaceAll(" ", "-"),
  );
  expect(named.length).toBeGreaterThan(5);
  expect([...named, ...linked].filter((file) => !existsSync(path.join(repositoryRoot, file)))).toEqual([]);
  const anchors = [...page.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor = ""]) => anchor);
  expect(anchors.filter((anchor) => !headings.includes(anchor))).toEqual([]);
});

test("every value that the page names is one of the chart's", async () => {
  const set = [...page.matchAll(/--set (\S+?)[`)\s]/g)].flatMap(([, given = ""]) => given.split(","));
  expect(set.length).toBeGreaterThan(4);
  const values: Record<string, unknown> = {};
  for (const [place = "", value = ""] of set.map((one) => one.split("="))) {
    const parts = place.split(".");
    const last = parts.pop() ?? "";
    let at = values;
    for (const part of parts) {
      at[part] ??= {};
      // What was put there just before, or by a longer name.
      at = at[part] as Record<string, unknown>;
    }
    at[last] =
      value === "$BROKERS"
        ? "10.0.0.1:9092"
        : (JSON.parse(/^[\d]+$|^(true|false)$/.test(value) ? value : `"${value}"`) as unknown);
  }
  expect((await template(values)).problem).toBe("");
});
