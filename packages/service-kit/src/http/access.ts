import { createHash, timingSafeEqual } from "node:crypto";
import { type Scope, scopes, type TenantContext, type TenantLimits } from "@payflow/contracts/access.ts";
import { DomainError } from "@payflow/contracts/errors.ts";
import { Elysia } from "elysia";
import { readJson } from "./body.ts";
import { requestFacts } from "./request.ts";

/**
 * Who may call a route: any key with the scope, any key, the platform's owner, a key with the scope or the
 * owner, our own services, the operator, either of those, or anybody.
 */
export type Access =
  | Scope
  | "tenant"
  | "admin"
  | `${Scope} or admin`
  | "internal"
  | "operator"
  | "internal or operator"
  | "public";

/** Who calls a route that serves both: a tenant sees its own in the key's mode, the platform's owner all. */
export type Caller = { readonly kind: "tenant"; readonly tenant: TenantContext } | { readonly kind: "admin" };

/** The tenant that a key speaks for, with what the key may do. */
export type KnownKey = Omit<TenantContext, "requestId" | "traceparent">;

/** What a key stands for at this moment. Throws `invalid_api_key`, `tenant_suspended` or `unavailable`. */
export interface Authenticator {
  authenticate(apiKey: string): Promise<KnownKey>;
  /** The same at once while this process may vouch for what it knows; undefined where it has to ask. */
  recall?(apiKey: string): KnownKey | undefined;
}

/** How many requests may come, in the long run and at once. */
export type Rate = Pick<TenantLimits, "requests_per_second" | "burst">;

/**
 * Takes one request, or `count` of what else is counted, from an allowance, a tenant's by its id, and tells
 * what to answer. All of the count is taken, or nothing.
 */
export interface RateLimiter {
  take(allowance: string, rate: Rate, count?: number): RateDecision | Promise<RateDecision>;
}

export interface RateDecision {
  readonly isAllowed: boolean;
  /** `RateLimit`, `RateLimit-Policy` and, when refused, `Retry-After`. */
  readonly headers: Record<string, string>;
}

export interface AccessOptions {
  readonly bodyLimit: number;
  readonly authenticator?: Authenticator;
  readonly rateLimiter?: RateLimiter;
  readonly adminToken?: string;
  readonly internalSecret?: string;
  /** Knows the operator by its ServiceAccount token; without, it has the internal secret as services do. */
  readonly operator?: OperatorAuthenticator | undefined;
}

/** Tells whether a ServiceAccount token is the operator's. Throws `unavailable` where nobody can say. */
export interface OperatorAuthenticator {
  isOperator(token: string): Promise<boolean>;
}

/** Compares two secrets in a time that does not depend on where they differ. */
function isSameSecret(given: string, expected: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}

/**
 * The `access` macro, and `direct` for routes that a door answers too. A guarded route first learns who
 * calls, then takes from the tenant's rate, then reads the body: a stranger's request costs neither parsing
 * nor validation. Handlers get `tenant`, `caller` and `requestId`.
 */
export function accessControl(options: AccessOptions) {
  return new Elysia({ name: "payflow-access" }).macro({
    access: (access: Access) => ({
      // Read back by the API's document, which names what each route needs.
      detail: { "x-access": access } as object,
      async transform(context) {
        const { request } = context;
        await authorize(options, access, request);
        // The root's parser left the body unread; its place is taken here.
        const target = context as unknown as { body: unknown; query: Record<string, unknown> };
        if (request.method !== "GET" && request.method !== "HEAD") {
          target.body = objectOf(await readJson(request, options.bodyLimit));
        }
        refuseNul(target.query);
        readNumbers(target.query);
      },
      resolve({ request }) {
        const facts = requestFacts(request);
        const { tenant, requestId } = facts;
        const caller: Caller = tenant === undefined ? { kind: "admin" } : { kind: "tenant", tenant };
        // Routes of tenants have it set by `authorize`; the others never read it, and `caller` is read by
        // routes alone that let nobody in but those two.
        return { tenant: tenant as TenantContext, caller, requestId };
      },
    }),
    /** For the app's handler of a direct route, which does all of this by itself. */
    direct: (scope: Scope) => ({ detail: { "x-access": scope } as object }),
  });
}

async function authorize(options: AccessOptions, access: Access, request: Request): Promise<void> {
  switch (access) {
    case "public":
      return;
    case "internal":
      return requireSecret(
        request.headers.get("x-internal-token"),
        options.internalSecret,
        "invalid_internal_token",
      );
    case "operator":
      return requireOperator(options, request);
    case "internal or operator": {
      const isService = request.headers.has("x-internal-token");
      return isService ? authorize(options, "internal", request) : requireOperator(options, request);
    }
    case "admin":
      return requireSecret(bearer(request), options.adminToken, "invalid_admin_token");
    default: {
      const scope = scopeBesideOwner(access);
      if (scope !== undefined && isOwner(options, request)) return;
      // What is no scope and serves both has been turned into its scope.
      return authorizeTenant(options, scope ?? (access as Scope | "tenant"), request);
    }
  }
}

/** The scope that a key needs where the platform's owner may call too; undefined for other routes. */
export function scopeBesideOwner(access: Access): Scope | undefined {
  return scopes.find((scope) => access === `${scope} or admin`);
}

function isOwner({ adminToken }: AccessOptions, request: Request): boolean {
  return adminToken !== undefined && holdsAdminToken(request, adminToken);
}

function requireSecret(
  given: string | null,
  expected: string | undefined,
  code: "invalid_internal_token" | "invalid_admin_token",
): void {
  if (given === null || expected === undefined || !isSameSecret(given, expected)) throw new DomainError(code);
}

async function requireOperator(options: AccessOptions, request: Request): Promise<void> {
  if (options.operator === undefined) return authorize(options, "internal", request);
  const token = bearer(request);
  if (token === null || !(await options.operator.isOperator(token))) {
    throw new DomainError("invalid_operator_token");
  }
}

async function authorizeTenant(
  options: AccessOptions,
  access: Scope | "tenant",
  request: Request,
): Promise<void> {
  const key = request.headers.get("x-api-key") ?? bearer(request);
  if (key === null || options.authenticator === undefined) throw new DomainError("invalid_api_key");
  const facts = requestFacts(request);
  const known = await options.authenticator.authenticate(key);
  facts.tenant = { ...known, requestId: facts.requestId, traceparent: facts.traceparent };
  if (options.rateLimiter !== undefined) {
    const rate = await options.rateLimiter.take(known.tenantId, known.limits);
    facts.headers = rate.headers;
    if (!rate.isAllowed) throw new DomainError("rate_limited", undefined, { headers: rate.headers });
  }
  if (access !== "tenant") requireScope(known, access);
}

/** Throws `insufficient_scope` for a key without the scope. */
export function requireScope({ scopes: held }: KnownKey, scope: Scope): void {
  if (!held.includes(scope)) {
    throw new DomainError("insufficient_scope", `This route needs the scope ${scope}.`);
  }
}

/** Whether the platform's owner asks, on a route that is open to others too. */
export function holdsAdminToken(request: Request, adminToken: string): boolean {
  const given = bearer(request);
  return given !== null && isSameSecret(given, adminToken);
}

/** The credential of an `Authorization: Bearer` header. */
export function bearer(request: Request): string | null {
  const header = request.headers.get("authorization");
  return header !== null && /^bearer /i.test(header) ? header.slice(7).trim() : null;
}

/**
 * Bodies are objects everywhere. Who sends none has left every field out: where none is required that is a
 * request like any other, and elsewhere the answer names the fields that are missing.
 */
function objectOf(body: unknown): unknown {
  if (body === undefined) return {};
  if (typeof body === "object" && body !== null && !Array.isArray(body)) return body;
  throw new DomainError("invalid_request", undefined, {
    errors: [{ pointer: "", message: "Expected an object" }],
  });
}

/** PostgreSQL takes every character but this one. A cursor is unsealed first and tells what is wrong. */
function refuseNul(query: Record<string, unknown>): void {
  const names = Object.keys(query).filter((name) => name !== "cursor" && String(query[name]).includes("\0"));
  if (names.length === 0) return;
  const errors = names.map((name) => ({ pointer: `#/query/${name}`, message: "Expected no character NUL" }));
  throw new DomainError("invalid_request", undefined, { errors });
}

/** A query's values are texts; `limit` is the one number among them. */
function readNumbers(query: Record<string, unknown>): void {
  if (typeof query.limit === "string" && /^\d{1,9}$/.test(query.limit)) query.limit = Number(query.limit);
}
