import { chmodSync, cpSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type SystemPackage, systemPackages, writeSystemRecords } from "./system-packages.ts";

/** Nobody's account on the machine: what the image runs as. */
export const imageUser = 65_532;

/** Where the image has Bun. */
export const bunInside = "/usr/local/bin/bun";

/**
 * Writes what the bundle needs to run below `folder`: this very Bun, the libraries it is linked with, and the
 * few files that the C library looks for. There is no shell. Returns the libraries' packages. Throws on other
 * systems than Linux with glibc.
 */
export function writeRuntimePart(folder: string): SystemPackage[] {
  const put = (file: string, from: string) => {
    const target = path.join(folder, file);
    mkdirSync(path.dirname(target), { recursive: true });
    cpSync(from, target, { dereference: true });
    chmodSync(target, 0o755);
  };
  put(bunInside, process.execPath);
  const libraries = librariesOf(process.execPath);
  for (const library of libraries) put(library, library);
  const packages = systemPackages(libraries);
  writeSystemRecords(folder, packages);
  const files = {
    "etc/passwd": `root:x:0:0::/:/sbin/nologin\nnonroot:x:${imageUser}:${imageUser}::/tmp:/sbin/nologin\n`,
    "etc/group": `root:x:0:\nnonroot:x:${imageUser}:\n`,
    "etc/nsswitch.conf": "hosts: files dns\n",
  };
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
    writeFileSync(path.join(folder, file), text);
  }
  mkdirSync(path.join(folder, "tmp"), { recursive: true });
  chmodSync(path.join(folder, "tmp"), 0o1777);
  return packages;
}

/** The dynamic loader and the libraries that a program names, and those that name look-ups load later. */
function librariesOf(program: string): string[] {
  if (process.platform !== "linux") throw new Error("An image is made of a Linux machine's Bun.");
  const said = Bun.spawnSync(["ldd", program]);
  const found = said.stdout.toString().matchAll(/^\s*(?:\S+ => )?(\/\S+) \(0x/gm);
  const libraries = [...found].flatMap(([, file]) => file ?? []);
  const c = libraries.find((file) => path.basename(file) === "libc.so.6");
  if (said.exitCode !== 0 || c === undefined) {
    throw new Error("An image is made of a Bun that is linked with glibc, and this one is not.");
  }
  return [...libraries, path.join(path.dirname(c), "libresolv.so.2")];
}
