/** Whether the caller prefers an answer before the work is done (RFC 7240, section 4.1). */
export function prefersAsync(headers: Headers): boolean {
  const prefer = headers.get("prefer");
  return prefer?.split(/[,;]/).some((one) => one.trim().toLowerCase() === "respond-async") ?? false;
}
