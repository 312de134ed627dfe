const wellFormed = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The trace's id in a `traceparent`, for log lines. */
export function traceId(traceparent: string): string {
  return traceparent.slice(3, 35);
}

/**
 * The `traceparent` (W3C Trace Context, version 00) for work done on behalf of the given one: same trace and
 * flags, a span of its own. A missing or malformed parent starts a new trace.
 */
export function newTraceparent(parent?: string | null): string {
  const span = randomHex(8);
  if (parent !== null && parent !== undefined && wellFormed.test(parent)) {
    return `${parent.slice(0, 36)}${span}${parent.slice(52)}`;
  }
  return `00-${randomHex(16)}-${span}-01`;
}

function randomHex(bytes: number): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))).toString("hex");
}
