import { apiCategory, apiGroup, apiVersion } from "./api-group.ts";
import type { ResourceDefinition } from "./definition.ts";
import { type StructuralSchema, structural } from "./structural.ts";

/** The CustomResourceDefinition of a kind of ours, as `apiextensions.k8s.io/v1` wants it. */
export function toCustomResourceDefinition(resource: ResourceDefinition) {
  const { kind, plural } = resource.kind;
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${apiGroup}`, labels: { "app.kubernetes.io/part-of": "payflow" } },
    spec: {
      group: apiGroup,
      scope: "Namespaced",
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: kind.toLowerCase(),
        shortNames: resource.shortNames,
        categories: [apiCategory],
      },
      versions: [
        {
          name: apiVersion,
          served: true,
          storage: true,
          schema: { openAPIV3Schema: schemaOf(resource) },
          subresources: { status: {} },
          additionalPrinterColumns: resource.columns,
          ...(resource.selectableFields.length === 0
            ? {}
            : { selectableFields: resource.selectableFields.map((jsonPath) => ({ jsonPath })) }),
        },
      ],
    },
  };
}

/** The schema of a whole object, also for the reference page. */
export function schemaOf(resource: ResourceDefinition): StructuralSchema {
  return {
    type: "object",
    description: resource.description,
    properties: {
      apiVersion: { type: "string", description: `Always ${apiGroup}/${apiVersion}.` },
      kind: { type: "string", description: `Always ${resource.kind.kind}.` },
      // The API server knows its fields, and takes nothing else here.
      metadata: { type: "object" },
      spec: structural(resource.spec, "spec"),
      status: structural(resource.status, "status"),
    },
    required: ["spec"],
    ...(resource.rules.length === 0 ? {} : { "x-kubernetes-validations": resource.rules }),
  };
}
