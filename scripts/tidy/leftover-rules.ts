import { importsOf, isCode, type Rule, type SourceFile, sourceFile, type Violation } from "./source-file.ts";

/** Tables are read from the schema by drizzle-kit, whoever else names them. */
const isSchema = (path: string) => /[/.]schema\.ts$/.test(path);

const exportsRule: Rule = {
  name: "what a file exports is used by another",
  check: (files) => {
    const usersOf = usersByWord(files.filter((file) => file.path.endsWith(".ts")));
    return files
      .filter((file) => isCode(file.path) && !isSchema(file.path) && !file.path.startsWith("scripts/tidy/"))
      .flatMap((file) =>
        file.lines.flatMap((text, index): Violation[] => {
          const name = /^export (?:async )?(?:const|function\*?|class) (\w+)/.exec(text)?.[1];
          if (name === undefined || (usersOf.get(name) ?? 0) > 1) return [];
          return [{ path: file.path, line: index + 1, message: `${name} is used by no other file` }];
        }),
      );
  },
  planted: [sourceFile("apps/ledger/src/planted.ts", "export function nobodyCallsThis() {}")],
};

/** In how many files each word stands. */
function usersByWord(files: readonly SourceFile[]): Map<string, number> {
  const users = new Map<string, number>();
  for (const file of files) {
    for (const word of new Set(file.text.match(/\w+/g))) users.set(word, (users.get(word) ?? 0) + 1);
  }
  return users;
}

const decisionsRule: Rule = {
  name: "decisions are numbered in one sequence, in their names and titles",
  check: (files) =>
    files
      .filter((file) => file.path.startsWith("docs/decisions/"))
      .sort((left, right) => (left.path < right.path ? -1 : 1))
      .flatMap((file, index): Violation[] => {
        const number = String(index + 1).padStart(4, "0");
        const isNumbered = file.path.startsWith(`docs/decisions/${number}-`);
        const isTitled = file.text.startsWith(`# ${number}: `);
        return isNumbered && isTitled ? [] : [{ path: file.path, line: 1, message: `this is ${number}` }];
      }),
  planted: [
    sourceFile("docs/decisions/0002-planted.md", "# 0002: planted"),
    sourceFile("docs/decisions/0001-planted.md", "# 0002: planted"),
  ],
};

/** Run by hand or by scripts, or read by the compiler; never imported by scripts. */
const tools = new Set(["@biomejs/biome", "typescript", "bun-types", "@types/k6", "@types/tar-stream"]);

const dependenciesRule: Rule = {
  name: "a workspace's manifest names what it imports, and nothing else",
  check: (files) =>
    files
      .filter((file) => /^((apps|packages)\/[^/]+|operator)\/package\.json$|^package\.json$/.test(file.path))
      .flatMap((manifest) => {
        const { name, dependencies, devDependencies } = JSON.parse(manifest.text);
        const declared = Object.keys({ ...dependencies, ...devDependencies });
        const folder =
          manifest.path === "package.json" ? "scripts/" : manifest.path.replace("package.json", "");
        const sources = files.filter((file) => file.path.startsWith(folder) && file.path.endsWith(".ts"));
        const text = sources.map((file) => file.text).join("\n");
        const imported = new Set(sources.filter(isWritten).flatMap(packagesOf));
        const unused = declared.filter(
          (one) => !tools.has(one) && !text.includes(`"${one}"`) && !text.includes(`"${one}/`),
        );
        const missing = [...imported].filter((one) => one !== name && !declared.includes(one));
        return [
          ...unused.map((one) => ({ path: manifest.path, line: 1, message: `${one} is not used` })),
          ...missing.map((one) => ({ path: manifest.path, line: 1, message: `${one} is not named` })),
        ];
      }),
  planted: [
    sourceFile("apps/planted/package.json", '{"name":"planted","dependencies":{"left-pad":"catalog:"}}'),
  ],
};

const isWritten = (file: SourceFile) => !file.path.startsWith("scripts/tidy");

/** The packages a file imports, without the runtime's own. */
function packagesOf(file: SourceFile): string[] {
  return importsOf(file)
    .map(({ from }) => /^(@[^/]+\/[^/]+|[^./][^/]*)/.exec(from)?.[1])
    .filter((name) => name !== undefined)
    .filter((name) => !/^(node|bun)(:|$)/.test(name));
}

export const leftoverRules = [exportsRule, decisionsRule, dependenciesRule];
