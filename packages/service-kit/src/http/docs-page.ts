import type { OpenApiDocument, OpenApiOperation } from "./documentation.ts";
import { fieldRows, typeWords } from "./schema-table.ts";

/** The API's document as one page without scripts: routes, access, parameters, bodies and answers. */
export function docsPage(document: OpenApiDocument): string {
  const routes = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({ path, method, operation })),
  );
  const contents = routes.map(
    ({ path, method, operation }) =>
      `<tr><td><a href="#${operation.operationId}"><code>${method.toUpperCase()} ${escapeHtml(path)}</code></a></td>
<td>${prose(operation.summary ?? "")}</td></tr>`,
  );
  const about = document.info.description.split("\n\n").map((text) => `<p>${prose(text)}</p>`);
  return `<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(document.info.title)}</title>
<style>${styles}</style><h1>${escapeHtml(document.info.title)}</h1>${about.join("\n")}
<p>For programs: <a href="/openapi.json">/openapi.json</a>.</p><table>${contents.join("")}</table>
${routes.map(({ path, method, operation }) => section(path, method, operation)).join("\n")}</html>`;
}

const styles = `body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem;
color:#1b1f24}
code{font:14px/1.45 ui-monospace,monospace;background:#f4f6f8;border-radius:4px;padding:.1em .3em;
overflow-wrap:anywhere}h2{margin-top:3rem;border-top:1px solid #d8dee4;padding-top:1rem;
font-size:1.2rem}
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;
padding:.3rem .6rem .3rem 0;
border-bottom:1px solid #eaeef2}.access,.type{color:#57606a}`;

function section(path: string, method: string, operation: OpenApiOperation): string {
  const { "application/json": json, ...others } = operation.requestBody?.content ?? {};
  const otherTypes = Object.keys(others).map((type) => `<code>${escapeHtml(type)}</code>`);
  const also = otherTypes.length === 0 ? "" : `<p>Also as ${otherTypes.join(", ")}.</p>`;
  return `<h2 id="${operation.operationId}"><code>${method.toUpperCase()} ${escapeHtml(path)}</code></h2>
<p>${prose(operation.summary ?? "")}. <span class="access">${access(operation)}</span></p>
${operation.description === undefined ? "" : `<p>${prose(operation.description)}</p>`}
${parameters(operation)}${json === undefined ? "" : `<h3>Body</h3>${fields(json.schema, true)}${also}`}
<h3>Answers</h3><table>${Object.entries(operation.responses)
    .map(([status, one]) => answer(status, one))
    .join("")}</table>`;
}

function access(operation: OpenApiOperation): string {
  if (operation.security === undefined) return "Open to anybody.";
  if (operation["x-scope"] !== undefined) {
    const owner = operation.security.some((one) => "admin" in one) ? ", or the admin token" : "";
    return `Needs a key with the scope ${escapeHtml(operation["x-scope"])}${owner}.`;
  }
  return "admin" in (operation.security[0] ?? {}) ? "Needs the admin token." : "Needs a key.";
}

function parameters(operation: OpenApiOperation): string {
  if (operation.parameters === undefined || operation.parameters.length === 0) return "";
  const rows = operation.parameters.map((one) => {
    // A parameter's schema comes from the OpenAPI document and may describe it.
    const schema = (one.schema ?? {}) as { description?: string; default?: unknown };
    const words = [
      ...(one.in === "query" ? [] : [one.in]),
      ...(schema.description === "RFC 3339, UTC." ? ["time"] : [typeWords(schema)]),
      ...(one.required === true && one.in !== "path" ? ["required"] : []),
    ];
    const ifLeftOut = schema.default === undefined ? "" : ` \`${schema.default}\` when left out.`;
    return row(one.name, words.join(", "), `${one.description ?? schema.description ?? ""}${ifLeftOut}`);
  });
  return `<h3>Parameters</h3><table>${rows.join("")}</table>`;
}

/** The fields of a body as a table; in a request, with those that must be there. */
function fields(schema: unknown, isRequest: boolean): string {
  const rows = fieldRows(schema).map(({ name, type, isRequired, description }) =>
    row(name, isRequest && isRequired ? `${type}, required` : type, description),
  );
  return rows.length === 0 ? "<p>An object without fields.</p>" : `<table>${rows.join("")}</table>`;
}

function row(name: string, type: string, description: string): string {
  return `<tr><td><code>${escapeHtml(name)}</code></td><td class="type">${escapeHtml(type)}</td>
<td>${prose(description)}</td></tr>`;
}

function answer(status: string, response: object): string {
  const text = "description" in response ? String(response.description) : "";
  // An answer with a body holds its content by media type.
  const content = "content" in response ? (response.content as Record<string, { schema?: unknown }>) : {};
  const schema = content["application/json"]?.schema;
  const shape =
    schema === undefined ? "" : `<details><summary>fields</summary>${fields(schema, false)}</details>`;
  return `<tr><td><code>${status}</code></td><td>${prose(text)}${shape}</td></tr>`;
}

/** A sentence in which what stands between backticks is code. */
function prose(text: string): string {
  return escapeHtml(text).replaceAll(/`([^`]+)`/g, "<code>$1</code>");
}

function escapeHtml(text: string): string {
  const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  return text.replaceAll(/[&<>"]/g, (character) => entities[character] ?? character);
}
