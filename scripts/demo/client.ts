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
  /** Bytes and texts are sent unchanged, anything else in JSON. */
  readonly body?: unknown;
  /** Besides the usual ones, or in their place. */
  readonly headers?: Readonly<Record<string, string>>;
  /** A fresh one when left out. */
  readonly idempotencyKey?: string;
  /** Fails on any other status. */
  readonly expect: number;
}

/**
 * A program of a tenant's or of the platform's owner, as far as the demo needs it: it knows URLs and its own
 * key, nothing of our code.
 */
export class Client {
  readonly #identity: Readonly<Record<string, string>>;

  /** What tells who asks: header and value; none for a stranger. */
  constructor(identity: Readonly<Record<string, string>> = {}) {
    this.#identity = identity;
  }

  async call(url: string, request: Request): Promise<Answer> {
    const { method = "GET", body, headers, idempotencyKey, expect } = request;
    const response = await fetch(url, {
      method,
      headers: {
        ...this.#identity,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(method === "POST" ? { "idempotency-key": idempotencyKey ?? randomUUID() } : {}),
        ...headers,
      },
      ...(body === undefined ? {} : { body: toBody(body) }),
      signal: AbortSignal.timeout(15_000),
    });
    const text = await response.text();
    check(response.status === expect, `${method} ${url} answered ${response.status}: ${text}`);
    return { status: response.status, headers: response.headers, text, body: JSON.parse(text) };
  }
}

function toBody(body: unknown): string | Uint8Array<ArrayBuffer> {
  // Compressed bodies are the only bytes that the demo sends, and they have memory of their own.
  if (body instanceof Uint8Array) return body as Uint8Array<ArrayBuffer>;
  return typeof body === "string" ? body : JSON.stringify(body);
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
