import { operation } from "@payflow/service-kit/http/operation.ts";
import type { Http } from "@payflow/service-kit/http/server.ts";
import {
  CreateKeyBody,
  IssuedKeyResponse,
  KeyParams,
  KeysQuery,
  KeysResponse,
  RotateKeyBody,
  toKey,
} from "./api-keys.contract.ts";
import { createKey, deleteKey, listKeys, type ManageKeys, rotateKey } from "./manage-keys.ts";

export const apiKeyRoutes = (http: Http, deps: ManageKeys) =>
  http
    .routes("api-keys")
    .post(
      "/api-keys",
      async ({ tenant, body, set }) => {
        const { row, apiKey } = await createKey(deps, tenant, body);
        set.status = 201;
        return { ...toKey(row), api_key: apiKey };
      },
      {
        access: "keys:write",
        body: CreateKeyBody,
        detail: operation({
          summary: "Make a key",
          description: "Of the asking key's own mode, with all or some of its scopes.",
          responses: { 201: IssuedKeyResponse },
          problems: ["insufficient_scope", "limit_reached"],
        }),
      },
    )
    .get("/api-keys", ({ tenant, query }) => listKeys(deps, tenant, query), {
      access: "keys:write",
      query: KeysQuery,
      detail: operation({
        summary: "List the keys of the asking key's mode, newest first",
        responses: { 200: KeysResponse },
        problems: ["invalid_cursor"],
      }),
    })
    .post(
      "/api-keys/:id/rotate",
      async ({ tenant, params, body }) => {
        const { row, apiKey } = await rotateKey(deps, tenant, params.id, body.overlap_seconds);
        return { ...toKey(row), api_key: apiKey };
      },
      {
        access: "keys:write",
        params: KeyParams,
        body: RotateKeyBody,
        detail: operation({
          summary: "Give a key a new value",
          description:
            "The present value works for the overlap; a value that was rotated away before ends now.",
          responses: { 200: IssuedKeyResponse },
          problems: ["insufficient_scope", "not_found", "invalid_state", "managed_by_kubernetes"],
        }),
      },
    )
    .delete(
      "/api-keys/:id",
      async ({ tenant, params }) => {
        await deleteKey(deps, tenant, params.id);
        return new Response(null, { status: 204 });
      },
      {
        access: "keys:write",
        params: KeyParams,
        detail: operation({
          summary: "Revoke a key",
          description: "It is refused everywhere within a second.",
          responses: { 204: null },
          problems: ["insufficient_scope", "not_found", "managed_by_kubernetes"],
        }),
      },
    );
