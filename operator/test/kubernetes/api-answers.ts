/** A line of a watch. */
export function line(type: string, object: unknown): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify({ type, object })}\n`);
}

export function bookmarkAt(version: number): unknown {
  return { kind: "Bookmark", metadata: { resourceVersion: String(version) } };
}

export function status(code: number, reason: string, headers: Record<string, string> = {}): Response {
  return Response.json(statusBody(code, reason), { status: code, headers });
}

export function statusBody(code: number, reason: string): unknown {
  return { kind: "Status", apiVersion: "v1", status: "Failure", code, reason, message: `refused: ${reason}` };
}
