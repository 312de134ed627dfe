import type { EventBus } from "@payflow/service-kit/bus/bus.ts";
import { deadLetterRoutes } from "@payflow/service-kit/bus/dead-letters.ts";
import {
  createHttp,
  createInternalHttp,
  type InternalParts,
  type PublicParts,
} from "@payflow/service-kit/http/server.ts";
import type { Operate } from "./operations/operate.ts";
import { operationRoutes } from "./operations/operations.routes.ts";
import type { CreatePayment } from "./payments/create-payment.ts";
import { paymentRoutes } from "./payments/payments.routes.ts";
import type { ReadPayments } from "./payments/read-payments.ts";
import type { ReadSettlements } from "./payments/settlements/read-settlements.ts";
import { settlementRoutes } from "./payments/settlements/settlements.routes.ts";
import type { CreateRefund } from "./refunds/create-refund.ts";
import type { ReadRefunds } from "./refunds/read-refunds.ts";
import { refundRoutes } from "./refunds/refunds.routes.ts";

export type ServerDependencies = CreatePayment &
  ReadPayments &
  Operate &
  CreateRefund &
  ReadRefunds &
  PublicParts;

/** The public API, not listening yet. */
export function createServer(deps: ServerDependencies) {
  const http = createHttp({ service: "payment", title: "PayFlow payments", ...deps });
  return http
    .app()
    .use(paymentRoutes(http, deps))
    .use(operationRoutes(http, deps))
    .use(refundRoutes(http, deps));
}

export interface InternalServerDependencies extends InternalParts, ReadSettlements {
  readonly bus: EventBus;
}

/** The internal API, not listening yet. */
export function createInternalServer(deps: InternalServerDependencies) {
  const http = createInternalHttp({ service: "payment", title: "PayFlow payments, internal", ...deps });
  return http
    .app()
    .use(settlementRoutes(http, deps))
    .use(deadLetterRoutes(http, { bus: deps.bus, group: "payment" }));
}
