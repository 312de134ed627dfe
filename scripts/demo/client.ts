import { randomUUID } from "node:crypto";
import { check } from "./story.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The JSON object that every route of ours answers with. */
  readonly body: Record<string, unknown>;
}

export interface Request {
  readonly method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly body?: unknown;
  /** A fresh one when left out. */
  readonly idempotencyKey?: string;
  /** Fails on any other status. */
  readonly expect: number;
}

/**
 * A tenant's own program, as far as the demo needs it: it knows URLs and one API key, nothing of our code.
 */
export class Client {
  readonly #apiKey: string;

  constructor(apiKey: string) {
    this.#apiKey = apiKey;
  }

  async call(url: string, { method = "GET", body, idempotencyKey, expect }: Request): Promise<Answer> {
    const response = await fetch(url, {
      method,
      headers: {
        ...(this.#apiKey === "" ? {} : { "x-api-key": this.#apiKey }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(method === "POST" ? { "idempotency-key": idempotencyKey ?? randomUUID() } : {}),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(15_000),
    });
    const text = await response.text();
    check(response.status === expect, `${method} ${url} answered ${response.status}: ${text}`);
    return { status: response.status, headers: response.headers, text, body: JSON.parse(text) };
  }
}

/** A field that must be a text. */
export function textOf(object: Record<string, unknown>, field: string): string {
  const value = object[field];
  check(typeof value === "string", `"${field}" is missing in ${JSON.stringify(object)}`);
  return value;
}

/** A field that must be a number. */
export function numberOf(object: Record<string, unknown>, field: string): number {
  const value = object[field];
  check(typeof value === "number", `"${field}" is missing in ${JSON.stringify(object)}`);
  return value;
}

/** A field that must hold an object; an empty one when it is null. */
export function objectOf(object: Record<string, unknown>, field: string): Record<string, unknown> {
  const value = object[field] ?? {};
  check(typeof value === "object", `"${field}" is no object in ${JSON.stringify(object)}`);
  // Arrays aside, which none of our object fields is.
  return value as Record<string, unknown>;
}

/** The items of a list answer. */
export function itemsOf(object: Record<string, unknown>, field = "data"): Record<string, unknown>[] {
  const value = object[field];
  check(Array.isArray(value), `"${field}" is no list in ${JSON.stringify(object)}`);
  return value;
}

/** Amounts as people read them. */
export function money(amountMinor: number, currency = "INR"): string {
  const format = new Intl.NumberFormat("en", { style: "currency", currency });
  return format.format(amountMinor / 10 ** (format.resolvedOptions().maximumFractionDigits ?? 2));
}
