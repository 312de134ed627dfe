import {
  type Link,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from "@opentelemetry/api";
import { newTraceparent } from "./traceparent.ts";

export { SpanKind };

/** Work that is part of a trace, whether or not spans are exported. */
export interface Traced {
  /** The `traceparent` to hand on to whatever this work causes. */
  readonly traceparent: string;
  /** Ends the span; an error marks it as failed. Attributes follow OpenTelemetry's semantic conventions. */
  end(name?: string, attributes?: Record<string, string | number>, isError?: boolean): void;
}

let isExporting = false;

/** Whether spans are sent anywhere. */
export function isTracing(): boolean {
  return isExporting;
}

/**
 * Sends spans by OTLP over HTTP (`<endpoint>/v1/traces`), in batches. Until it is called, and where no
 * endpoint is configured, spans cost nothing and only the trace context is handed on.
 */
export async function startTracing(service: string, endpoint: string): Promise<{ close(): Promise<void> }> {
  // Loaded only here, since most installations on one machine export nothing and need the memory.
  const { OTLPTraceExporter } = await import("@opentelemetry/exporter-trace-otlp-http");
  const { BasicTracerProvider, BatchSpanProcessor } = await import("@opentelemetry/sdk-trace-base");
  const { resourceFromAttributes } = await import("@opentelemetry/resources");
  const exporter = new OTLPTraceExporter({ url: `${endpoint.replace(/\/+$/, "")}/v1/traces` });
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ "service.name": `payflow-${service}` }),
    spanProcessors: [new BatchSpanProcessor(exporter)],
  });
  trace.setGlobalTracerProvider(provider);
  isExporting = true;
  return {
    async close() {
      isExporting = false;
      await provider.shutdown();
      trace.disable();
    },
  };
}

/**
 * Begins work on behalf of the given `traceparent`; a missing or malformed one begins a new trace. Work that
 * has more causes, such as a batch, is linked to them.
 */
export function startSpan(
  name: string,
  kind: SpanKind,
  parent?: string | null,
  otherCauses: readonly (string | null | undefined)[] = [],
): Traced {
  if (!isExporting) return { traceparent: newTraceparent(parent), end: () => {} };
  const links = otherCauses.slice(0, maxLinks).flatMap(toLink);
  const span = trace.getTracer("payflow").startSpan(name, { kind, links }, parentContext(parent));
  if (!span.isRecording()) return { traceparent: newTraceparent(parent), end: () => {} };
  return { traceparent: traceparentOf(span), end: (...how) => endSpan(span, ...how) };
}

/** What OpenTelemetry keeps of a span's links by default. */
const maxLinks = 128;

function toLink(traceparent: string | null | undefined): Link[] {
  const context = trace.getSpanContext(parentContext(traceparent));
  return context === undefined ? [] : [{ context }];
}

const parts = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

function parentContext(parent: string | null | undefined) {
  const [, traceId, spanId, flags] = parts.exec(parent ?? "") ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return ROOT_CONTEXT;
  const traceFlags = Number.parseInt(flags, 16) & TraceFlags.SAMPLED;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
}

function traceparentOf(span: Span): string {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, "0")}`;
}

function endSpan(
  span: Span,
  name?: string,
  attributes: Record<string, string | number> = {},
  isError = false,
): void {
  if (name !== undefined) span.updateName(name);
  span.setAttributes(attributes);
  if (isError) span.setStatus({ code: SpanStatusCode.ERROR });
  span.end();
}
