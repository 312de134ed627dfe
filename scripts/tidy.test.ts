import { describe, expect, test } from "bun:test";
import { resolve } from "node:path";
import { importRules } from "./tidy/import-rules.ts";
import { leftoverRules } from "./tidy/leftover-rules.ts";
import { readSources } from "./tidy/source-file.ts";
import { textRules } from "./tidy/text-rules.ts";

const files = await readSources(resolve(import.meta.dir, ".."));

describe.each([...importRules, ...textRules, ...leftoverRules])("$name", (rule) => {
  test("holds in the repository", () => {
    const found = rule.check(files).map(({ path, line, message }) => `${path}:${line} ${message}`);
    expect(found).toEqual([]);
  });

  test("fails where it is broken", () => {
    for (const planted of groupByFolderRule(rule.planted)) expect(rule.check(planted)).not.toEqual([]);
  });
});

/** Each planted file must be found by itself; those of one folder that only count together stay together. */
function groupByFolderRule<T extends { readonly path: string }>(
  planted: readonly T[],
): readonly (readonly T[])[] {
  return planted.length > 5 ? [planted] : planted.map((file) => [file]);
}
