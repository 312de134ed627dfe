import type { FieldError } from "@payflow/contracts/errors.ts";
import { isGlobalAddress, literalAddress } from "../sending/address-guard.ts";

export const maxEndpoints = 50;
export const maxOverlapSeconds = 7 * 86_400;
export const defaultOverlapSeconds = 86_400;

/**
 * What is wrong with a URL, or null. `allowPrivate` admits http and addresses of the own network, for one
 * machine and tests. Names are resolved and checked at each sending, not here.
 */
export function urlProblem(text: string, allowPrivate: boolean): string | null {
  if (/\s/.test(text)) return "must not contain spaces";
  if (!URL.canParse(text)) return "is not a URL";
  const url = new URL(text);
  if (url.protocol !== "https:" && !(allowPrivate && url.protocol === "http:"))
    return "must begin with https://";
  if (url.username !== "" || url.password !== "") return "must not contain credentials";
  if (text.includes("#")) return "must not contain a fragment";
  if (url.port === "0") return "must not name port 0";
  if (allowPrivate) return null;
  const address = literalAddress(url.hostname);
  if (address !== null && !isGlobalAddress(address)) return "must not point to a private or reserved address";
  if (/(^|\.)(localhost|local|internal)\.?$/i.test(url.hostname)) return "must not point to a private name";
  return null;
}

/** The same as the errors of a request whose body has the URL. */
export function urlErrors(text: string, allowPrivate: boolean): readonly FieldError[] {
  const problem = urlProblem(text, allowPrivate);
  return problem === null ? [] : [{ pointer: "/url", message: problem }];
}
