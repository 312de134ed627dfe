import { expect, test } from "bun:test";
import { withOwnEntries } from "./secret.ts";

test("of a Secret no more is kept than what we could have written", () => {
  const metadata = { namespace: "shop", name: "acme-api-key" };
  const own = {
    ...{ "api-key": "a", "api-key-next": "b", "api-key-previous": "c", "test-api-key": "d" },
    ...{ "tenant-id": "e", "signing-secret": "f", "signing-secret-previous": "g" },
  };
  const kept = withOwnEntries({ metadata, data: { ...own, "ca.crt": "x", "my-api-key": "y" } });
  expect(kept).toEqual({ metadata, data: own });
  const large = withOwnEntries({ metadata, data: { "api-key": "A".repeat(1_000_000) } });
  expect(large.data?.["api-key"]?.length).toBe(1_024);
  expect(withOwnEntries({ metadata })).toEqual({ metadata, data: {} });
});
