/**
 * JSON texts as one parameter for `string_to_array(…, E'\n', '')`, null for those that are null. As elements
 * of an array's literal each of their quotes would be escaped here and unescaped there. JSON has no line
 * break but an escaped one and is never empty; throws for a text that is no such JSON. A single null becomes
 * an array without elements, which `unnest` fills up.
 */
export function lines(texts: readonly (string | null)[]): string {
  for (const text of texts) {
    if (text === "" || text?.includes("\n")) throw new Error("A line is neither empty nor more than one");
  }
  return texts.map((text) => text ?? "").join("\n");
}
