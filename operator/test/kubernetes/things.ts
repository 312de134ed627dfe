import type { ResourceKind } from "../../src/kubernetes/objects/object.ts";

/** A kind of nobody's: the machinery knows nothing of ours. */
export const kind: ResourceKind = {
  ...{ group: "example.org", version: "v1", plural: "things", kind: "Thing", isNamespaced: true },
};

/** The path of its objects, all namespaces together. */
export const things = "/apis/example.org/v1/things";
