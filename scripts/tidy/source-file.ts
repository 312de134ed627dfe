import { Glob } from "bun";

/** A file of the repository as a rule sees it. */
export interface SourceFile {
  /** From the repository's root, with forward slashes. */
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
}

/** One place that breaks a rule. */
export interface Violation {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

/** A rule over all files at once, with files that break it, which prove that it can fail. */
export interface Rule {
  readonly name: string;
  readonly check: (files: readonly SourceFile[]) => Violation[];
  readonly planted: readonly SourceFile[];
}

export function sourceFile(path: string, text: string): SourceFile {
  return { path, text, lines: text.split("\n") };
}

/** The texts git tracks or would add; binaries, locks and generated documents are left out. */
export async function readSources(root: string): Promise<SourceFile[]> {
  const listing = Bun.spawnSync(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: root,
  });
  const readable = new Glob("**/*.{ts,sh,json,md,yaml,yml,sql,toml,lock,go,tf,tpl}");
  const paths = listing.stdout
    .toString()
    .split("\0")
    .filter((path) => path !== "");
  const files: SourceFile[] = [];
  for (const path of paths) {
    const file = Bun.file(`${root}/${path}`);
    const isText = readable.match(path) || !path.includes(".") || path.startsWith(".");
    if (isText && (await file.exists())) files.push(sourceFile(path, await file.text()));
  }
  return files;
}

/** Whether the path is TypeScript of ours that is not a test. */
export function isCode(path: string): boolean {
  return path.endsWith(".ts") && !isTest(path);
}

/** Whether the path belongs to tests: beside the code, in a `test` folder, or in the test kit. */
export function isTest(path: string): boolean {
  return /\.test\.ts$|\/test\/|^packages\/testkit\//.test(path);
}

/** Each line that matches, as a violation. */
export function matchingLines(files: readonly SourceFile[], pattern: RegExp, message: string): Violation[] {
  return files.flatMap((file) =>
    file.lines.flatMap((text, index) =>
      pattern.test(text) ? [{ path: file.path, line: index + 1, message }] : [],
    ),
  );
}

/** What a file imports, with the line of each. */
export function importsOf(file: SourceFile): { readonly from: string; readonly line: number }[] {
  return file.lines.flatMap((text, index) => {
    const found =
      /^\s*(?:import|export)\b.*?\bfrom "([^"]+)"|^\} from "([^"]+)"|^import "([^"]+)"|\bimport\("([^"]+)"\)/.exec(
        text,
      );
    const from = found?.slice(1).find((part) => part !== undefined);
    return from === undefined ? [] : [{ from, line: index + 1 }];
  });
}
