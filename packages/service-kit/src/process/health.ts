import { type AnyElysia, Elysia } from "elysia";
import type { Database } from "../store/database.ts";
import type { Metrics } from "../telemetry/metrics.ts";

/** One dependency without which the service cannot serve. */
export interface ReadinessCheck {
  readonly name: string;
  readonly check: () => Promise<unknown>;
}

/** PostgreSQL answers. */
export function databaseCheck(database: Database): ReadinessCheck {
  return { name: "postgresql", check: async () => database.sql`select 1` };
}

export interface Health {
  readonly checks: readonly ReadinessCheck[];
  readonly metrics: Metrics;
  readonly isStopping: () => boolean;
  readonly isInternal: boolean;
}

const checkTimeoutMs = 2_000;

/**
 * Adds `/health` to a public app; `/livez`, `/readyz` and `/metrics` to an internal one. Liveness depends on
 * nothing; readiness on the checks alone, each with two seconds.
 */
export function withHealth(app: AnyElysia, health: Health): AnyElysia {
  const hidden = { detail: { hide: true } };
  if (!health.isInternal) return app.use(new Elysia().get("/health", () => ({ status: "ok" }), hidden));
  const routes = new Elysia()
    .get("/livez", () => ({ status: "ok" }), hidden)
    .get(
      "/readyz",
      async ({ set }) => {
        const { isReady, checks } = await readiness(health);
        set.status = isReady ? 200 : 503;
        return { status: isReady ? "ready" : "not ready", checks };
      },
      hidden,
    )
    .get(
      "/metrics",
      async () => {
        return new Response(await health.metrics.text(), {
          headers: { "content-type": health.metrics.registry.contentType },
        });
      },
      hidden,
    );
  return app.use(routes);
}

async function readiness(health: Health) {
  const checks: Record<string, "ok" | "away"> = {};
  await Promise.all(
    health.checks.map(async ({ name, check }) => {
      checks[name] = (await isPassing(check)) ? "ok" : "away";
    }),
  );
  const isReady = !health.isStopping() && Object.values(checks).every((state) => state === "ok");
  return { isReady, checks };
}

async function isPassing(check: () => Promise<unknown>): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), checkTimeoutMs);
  });
  const passed = check().then(
    () => true,
    () => false,
  );
  const outcome = await Promise.race([passed, late]);
  clearTimeout(timer);
  return outcome;
}
