// @ts-expect-error It has no types; what it answers is written down below.
import parseExpression from "spdx-expression-parse";

/** An SPDX expression as a tree (SPDX 2.3, annex D). */
type Expression =
  | { readonly license: string; readonly plus?: boolean }
  | { readonly left: Expression; readonly conjunction: "and" | "or"; readonly right: Expression };

/**
 * What would bind PayFlow or whoever runs it: licences that reach what they are bundled with or served by,
 * and those that forbid some use.
 */
export const refusedLicences = [
  ...["AGPL", "GPL", "LGPL", "SSPL", "OSL", "EUPL", "CPAL", "RPL", "QPL"],
  ...["BUSL", "Elastic", "CC-BY-NC", "CC-BY-ND", "CC-BY-SA", "PolyForm", "Parity"],
] as const;

/** Why a package of this licence is refused; null where it is welcome. Of alternatives one is enough. */
export function whyRefused(licence: string): string | null {
  if (licence.trim() === "") return "names no licence";
  try {
    return refusalOf(parseExpression(licence));
  } catch {
    return `"${licence}" is no SPDX expression`;
  }
}

function refusalOf(expression: Expression): string | null {
  if ("license" in expression) {
    const refused = refusedLicences.find((family) => expression.license.startsWith(`${family}-`));
    return refused === undefined ? null : `${expression.license} is refused`;
  }
  const [left, right] = [refusalOf(expression.left), refusalOf(expression.right)];
  return expression.conjunction === "or" ? left && right : (left ?? right);
}
