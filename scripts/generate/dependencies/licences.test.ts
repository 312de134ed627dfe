import { expect, test } from "bun:test";
import { billOfMaterials } from "../../release/image/bill-of-materials.ts";
import { installedPackages } from "./installed-packages.ts";
import { whyRefused } from "./licence-rules.ts";

test("no package has a licence that is refused", () => {
  const refused = installedPackages().flatMap(({ name, version, licence }) => {
    const reason = whyRefused(licence);
    return reason === null ? [] : [`${name} ${version} ${reason}`];
  });
  expect(refused).toEqual([]);
});

test.each([
  ["AGPL-3.0-only", "AGPL-3.0-only is refused"],
  ["GPL-2.0-or-later", "GPL-2.0-or-later is refused"],
  ["MIT AND GPL-3.0-only", "GPL-3.0-only is refused"],
  ["BUSL-1.1", "BUSL-1.1 is refused"],
  ["AGPL-3.0-only OR SSPL-1.0", "SSPL-1.0 is refused"],
  ["", "names no licence"],
  ["SEE LICENSE IN LICENSE.txt", '"SEE LICENSE IN LICENSE.txt" is no SPDX expression'],
  ["UNLICENSED", '"UNLICENSED" is no SPDX expression'],
])("%p is refused", (licence, reason) => expect(whyRefused(licence)).toBe(reason));

test.each(["MIT", "Apache-2.0", "MIT OR GPL-3.0-only", "(BSD-3-Clause AND Unlicense)", "MPL-2.0"])(
  "%p is welcome",
  (licence) => expect(whyRefused(licence)).toBeNull(),
);

test("a bill of materials names every package, in the same bytes each time", () => {
  const packages = installedPackages();
  const text = billOfMaterials(packages);
  expect(billOfMaterials(installedPackages())).toBe(text);
  const bill = JSON.parse(text);
  expect(bill.bomFormat).toBe("CycloneDX");
  const named = new Set(bill.components.map(({ purl }: { purl: string }) => decodeURIComponent(purl)));
  expect(packages.length).toBeGreaterThan(100);
  expect(packages.filter(({ name, version }) => !named.has(`pkg:npm/${name}@${version}`))).toEqual([]);
});
