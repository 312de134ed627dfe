import { expect, test } from "bun:test";
import { resolve } from "node:path";
import { generatedFiles } from "./generated-files.ts";

const root = resolve(import.meta.dir, "../..");

test.each((await generatedFiles()).map((file) => [file.path, file.text] as const))(
  "%s is what ./payflow generate writes",
  async (path, text) => {
    const file = Bun.file(`${root}/${path}`);
    expect((await file.exists()) ? await file.text() : "missing").toBe(text);
  },
);
