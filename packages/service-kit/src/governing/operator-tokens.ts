import { readFile } from "node:fs/promises";
import { unavailable } from "@payflow/contracts/errors.ts";
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { createRemoteJWKSet, customFetch, errors, jwtVerify } from "jose";
import type { OperatorAuthenticator } from "../http/access.ts";
import { direct } from "../http/internal-client.ts";
import type { Logger } from "../telemetry/logging.ts";

export interface ClusterApi {
  readonly url: string;
  /** Read again for each call: both are replaced while we run. */
  readonly caFile: string;
  readonly tokenFile: string;
}

export interface WantedToken {
  /** The users that tokens of the operator's ServiceAccounts stand for. */
  readonly subjects: readonly string[];
  readonly audience: string;
  readonly logger: Logger;
}

/** A token that was found to be the operator's is believed for so long without asking again. */
const believedMs = 10_000;
const timeoutMs = 3_000;

const Review = Type.Object({
  status: Type.Object({
    authenticated: Type.Optional(Type.Boolean()),
    audiences: Type.Optional(Type.Array(Type.String())),
    user: Type.Optional(Type.Object({ username: Type.Optional(Type.String()) })),
  }),
});

/**
 * Asks the cluster what a token stands for, as Kubernetes' TokenReview does: an account that is deleted is
 * refused within seconds. Throws `unavailable` while the cluster's API is away.
 */
export function byTokenReview(cluster: ClusterApi, wanted: WantedToken): OperatorAuthenticator {
  const { subjects, audience, logger } = wanted;
  return believing(async (token) => {
    const answer = await ask(cluster, "/apis/authentication.k8s.io/v1/tokenreviews", logger, {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenReview",
      spec: { token, audiences: [audience] },
    });
    const { authenticated, audiences, user }: Static<typeof Review>["status"] = Value.Check(Review, answer)
      ? answer.status
      : {};
    // A server that knows no audiences names none: its word is not about ours.
    return (
      authenticated === true &&
      audiences?.includes(audience) === true &&
      subjects.includes(user?.username ?? "")
    );
  });
}

/**
 * Checks a token's signature by the cluster's keys (OpenID Connect Discovery), its issuer, audience, subject
 * and times. The cluster is asked for keys alone, which are kept for minutes. Throws `unavailable` while
 * they are not known.
 */
export function byKeys(
  cluster: ClusterApi,
  wanted: WantedToken & { readonly issuer: string },
): OperatorAuthenticator {
  const path = "/openid/v1/jwks";
  const keys = createRemoteJWKSet(new URL(path, cluster.url), {
    timeoutDuration: timeoutMs,
    // The cluster's certificate is its own authority's, and it tells its keys to its own accounts alone.
    [customFetch]: async () => Response.json(await ask(cluster, path, wanted.logger)),
  });
  const { issuer, audience, subjects } = wanted;
  return believing(async (token) => {
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer,
        audience,
        algorithms: ["RS256", "ES256"],
        requiredClaims: ["exp", "sub"],
      });
      return subjects.includes(payload.sub ?? "");
    } catch (error) {
      // What is wrong with a token is its own kind of error; the keys' being away is not the token's fault.
      if (error instanceof errors.JWKSTimeout) throw unavailable("The cluster's API", 1, error);
      if (error instanceof errors.JOSEError) return false;
      throw error;
    }
  });
}

/** Remembers good answers by the token's hash; a bad one is asked about each time. */
function believing(check: (token: string) => Promise<boolean>): OperatorAuthenticator {
  const believed = new Map<string, number>();
  return {
    async isOperator(token) {
      const name = Bun.SHA256.hash(token, "base64url");
      const askedAt = performance.now();
      if ((believed.get(name) ?? Number.NEGATIVE_INFINITY) > askedAt) return true;
      believed.delete(name);
      if (!(await check(token))) return false;
      // Tokens are replaced each hour: few are in use at a time.
      if (believed.size >= 100) believed.clear();
      believed.set(name, askedAt + believedMs);
      return true;
    },
  };
}

async function ask(cluster: ClusterApi, path: string, logger: Logger, body?: object): Promise<unknown> {
  try {
    const [ca, token] = await Promise.all([
      readFile(cluster.caFile, "utf8"),
      readFile(cluster.tokenFile, "utf8"),
    ]);
    const response = await fetch(cluster.url.replace(/\/+$/, "") + path, {
      method: body === undefined ? "GET" : "POST",
      headers: { authorization: `Bearer ${token.trim()}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      tls: { ca },
      redirect: "error",
      ...direct,
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (!response.ok) throw new Error(`${path} answered ${response.status}`);
    return await response.json();
  } catch (error) {
    logger.warn({ err: error }, "the cluster could not be asked about the operator's token");
    throw unavailable("The cluster's API", 1, error);
  }
}
