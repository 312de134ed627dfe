import { dirname } from "node:path/posix";
import { isCode, isTest, matchingLines, type Rule, sourceFile, type Violation } from "./source-file.ts";

const isRuleFile = (path: string) => path.startsWith("scripts/tidy");
/** The one-machine package hands an environment on to the processes it starts. */
const readsEnvironment = (path: string) => /\/main\.ts$|^packages\/one-machine\//.test(path);
const isWritten = (path: string) => path.endsWith(".ts") && !isRuleFile(path);

const queriesRule: Rule = {
  name: "only stores hold queries",
  check: (files) =>
    matchingLines(
      files.filter(
        (file) =>
          file.path.startsWith("apps/") && isCode(file.path) && !/(\.store|[/.]schema)\.ts$/.test(file.path),
      ),
      /\bsql(<[^`]*>)?`|\.unsafe\(/,
      "a query belongs in a *.store.ts",
    ),
  planted: [sourceFile("apps/ledger/src/posting/planted.ts", "const rows = await sql`select 1`;")],
};

const environmentRule: Rule = {
  name: "only entry files read the environment",
  check: (files) =>
    matchingLines(
      files.filter(
        (file) =>
          /^(apps|packages|operator)\//.test(file.path) && isCode(file.path) && !readsEnvironment(file.path),
      ),
      /process\.env|Bun\.env/,
      "settings come through config.ts",
    ),
  planted: [sourceFile("apps/ledger/src/planted.ts", "const port = process.env.PORT;")],
};

const castsRule: Rule = {
  name: "a cast says why, beside it",
  check: (files) =>
    files
      .filter((file) => isWritten(file.path) && isCode(file.path))
      .flatMap((file) =>
        file.lines.flatMap((text, index) => {
          const isCast =
            /[\w)\]}] as (unknown|string|number|boolean|never|readonly|[A-Z]|\{)/.test(text) &&
            !/^\s*(import|export|\/?\*|\/\/|} from)|^\s*"|`/.test(text);
          const isExplained = file.lines
            .slice(Math.max(0, index - 4), index + 1)
            .some((near) => near.includes("//"));
          return isCast && !isExplained
            ? [{ path: file.path, line: index + 1, message: "say why the cast holds" }]
            : [];
        }),
      ),
  planted: [sourceFile("apps/ledger/src/planted.ts", "const row = value as Row;")],
};

const finishedRule: Rule = {
  name: "nothing is left unfinished, and no test is skipped or focused",
  check: (files) => [
    ...matchingLines(
      files.filter((file) => isWritten(file.path) || file.path.endsWith(".sh")),
      /\b(TODO|FIXME|XXX|HACK)\b|not implemented/i,
      "finish it or leave it out",
    ),
    ...matchingLines(
      files.filter((file) => isTest(file.path)),
      /\b(test|it|describe)\.(skip|only|todo)\(/,
      "run every test",
    ),
  ],
  planted: [
    sourceFile("apps/ledger/src/planted.ts", "// TODO: book it"),
    sourceFile("apps/ledger/test/planted.test.ts", 'test.skip("books", () => {});'),
  ],
};

const homeRule: Rule = {
  name: "no machine's paths and no registry's address",
  check: (files) => [
    ...matchingLines(
      files.filter((file) => !isRuleFile(file.path)),
      /(^|[\s"'`=(])\/(work|root|home\/\w+)\//,
      "paths are relative or configured",
    ),
    ...matchingLines(
      files.filter((file) => file.path.endsWith("bun.lock")),
      /https?:\/\//,
      "the lock names no registry",
    ),
  ],
  planted: [
    sourceFile("docs/planted.md", `see /${"root"}/payflow/README.md`),
    sourceFile("bun.lock", '"x": ["x@1", "https://example.org/x.tgz"]'),
  ],
};

const bannedNames = new Set(["utils", "helpers", "common", "lib", "misc", "types"]);

const namesRule: Rule = {
  name: "files are kebab-case and say what they hold",
  check: (files) =>
    files
      .filter((file) => isWritten(file.path))
      .filter((file) => {
        const parts = file.path.replace(/\.ts$/, "").split("/");
        const name = parts.at(-1) ?? "";
        return (
          parts.some((part) => bannedNames.has(part)) || !/^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9-]+)*$/.test(name)
        );
      })
      .map((file) => ({ path: file.path, line: 1, message: "find the word the field uses" })),
  planted: [
    sourceFile("apps/ledger/src/utils/money.ts", ""),
    sourceFile("apps/ledger/src/createPayment.ts", ""),
  ],
};

const sizeRule: Rule = {
  name: "files have 300 lines at most, lines 110 columns",
  check: (files) =>
    files
      .filter((file) => isWritten(file.path))
      .flatMap((file) => {
        const found: Violation[] = [];
        // A file of tests is a list; what tests are made with is code.
        const isBounded = file.path.endsWith(".ts") && !file.path.endsWith(".test.ts");
        if (isBounded && file.lines.length > 301) {
          found.push({
            path: file.path,
            line: 301,
            message: `${file.lines.length} lines: two ideas in one file`,
          });
        }
        for (const [index, text] of file.lines.entries()) {
          const isComment = /^\s*(\/\*|\*|\/\/)/.test(text);
          const hasLongLiteral = !isComment && /["'`/][^"'`]{60,}["'`/]/.test(text);
          if (text.length > 110 && !hasLongLiteral && !isTest(file.path)) {
            found.push({ path: file.path, line: index + 1, message: `${text.length} columns` });
          }
        }
        return found;
      }),
  planted: [
    sourceFile("apps/ledger/src/planted.ts", "x;\n".repeat(301)),
    sourceFile("apps/ledger/test/fixture/planted.ts", "x;\n".repeat(301)),
    sourceFile("apps/ledger/src/wide.ts", `const sum = ${"one + ".repeat(20)} two;`),
  ],
};

const folderRule: Rule = {
  name: "a folder of code has 12 entries at most",
  check: (files) => {
    const entries = new Map<string, Set<string>>();
    for (const { path } of files.filter((file) => /^(apps|packages|scripts|operator)\//.test(file.path))) {
      if (/\/(migrations[^/]*|test)\//.test(path)) continue;
      const parts = path.split("/");
      for (let depth = 1; depth < parts.length; depth += 1) {
        const folder = parts.slice(0, depth).join("/");
        const entry = (parts[depth] ?? "").replace(/\.test\.ts$/, ".ts");
        entries.set(folder, (entries.get(folder) ?? new Set()).add(entry));
      }
    }
    return [...entries]
      .filter(([folder, names]) => names.size > 12 && folder !== "packages/contracts/src")
      .map(([folder, names]) => ({ path: folder, line: 1, message: `${names.size} entries` }));
  },
  planted: Array.from({ length: 13 }, (_, index) =>
    sourceFile(`apps/ledger/src/planted/file-${index}.ts`, ""),
  ),
};

const versionsRule: Rule = {
  name: "versions are exact and stand in one catalog",
  check: (files) =>
    files
      .filter((file) => /(^|\/)package\.json$/.test(file.path))
      .flatMap((file) => {
        const manifest = JSON.parse(file.text);
        const isRoot = dirname(file.path) === ".";
        const named = Object.entries<string>({
          ...manifest.dependencies,
          ...manifest.devDependencies,
          ...manifest.workspaces?.catalog,
        });
        return named
          .filter(
            ([, version]) =>
              version !== "workspace:*" &&
              version !== "catalog:" &&
              !(isRoot && /^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)),
          )
          .map(([name]) => ({ path: file.path, line: 1, message: `${name} is not pinned in the catalog` }));
      }),
  planted: [sourceFile("apps/ledger/package.json", '{"dependencies":{"left-pad":"^1.0.0"}}')],
};

export const textRules = [
  queriesRule,
  environmentRule,
  castsRule,
  finishedRule,
  homeRule,
  namesRule,
  sizeRule,
  folderRule,
  versionsRule,
];
