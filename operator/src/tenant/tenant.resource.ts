import { defaultLimits, scopes, TenantLimitsSchema } from "@payflow/contracts/access.ts";
import { currencies } from "@payflow/contracts/currencies.ts";
import { type Static, Type } from "@sinclair/typebox";
import { type CustomObject, resourceKind } from "../resources/api-group.ts";
import { lastColumns, type ResourceDefinition, readyColumns } from "../resources/definition.ts";
import { Rotation } from "../resources/rotation.ts";
import {
  choice,
  immutable,
  immutableOption,
  moment,
  namespaceOrAll,
  objectName,
  plainText,
  reference,
  setOf,
  settings,
  validated,
} from "../resources/schema.ts";
import {
  commonStatus,
  conditionList,
  lastHandledRotateNow,
  progressConditions,
} from "../resources/status.ts";

const limits = TenantLimitsSchema.properties;
const [monthlyEvents] = limits.monthly_events.anyOf;
const [maxPayment] = limits.max_payment_amount.anyOf;

const Limits = settings(
  {
    requestsPerSecond: Type.Integer({
      ...limits.requests_per_second,
      description: "Requests a second on average, those that bring events left out.",
      default: defaultLimits.requests_per_second,
    }),
    burst: Type.Integer({
      ...limits.burst,
      description: "Requests at once.",
      default: defaultLimits.burst,
    }),
    eventsPerSecond: Type.Integer({
      ...limits.events_per_second,
      description: `Events a second on average. At once it is 10,000 at least, so that the largest body can
        be sent.`,
      default: defaultLimits.events_per_second,
    }),
    monthlyEvents: Type.Optional(
      Type.Integer({
        ...monthlyEvents,
        description: `Events stored in a calendar month in UTC, test and live together. Without it there is
          no such limit.`,
      }),
    ),
    maxPaymentMinor: Type.Optional(
      Type.Integer({
        ...maxPayment,
        description: `The largest amount of one payment, in the currency's smallest unit; a larger one is
          answered with 422 amount_over_limit. Without it there is no such limit.`,
      }),
    ),
  },
  "What the tenant may use.",
);

const ApiKey = settings(
  {
    secretName: Type.Optional(
      objectName(
        `The Secret, in the Tenant's namespace, that the operator makes and keeps the key in; the Tenant's
         name and "-api-key" when left out. It must not exist already. Cannot be changed.`,
      ),
    ),
    scopes: setOf(choice(scopes, "One thing that the key may be used for."), {
      description: "What the key may be used for; everything when left out. A change holds within a second.",
      minItems: 1,
      maxItems: scopes.length,
      default: [...scopes],
    }),
    rotation: Rotation,
  },
  `The API key that the operator makes: api-key in the Secret, beside tenant-id. While it is replaced,
   api-key-previous works too. With mode both there is test-api-key besides.`,
  immutableOption("secretName"),
);

const emailPart = '[^\\s@<>",;:\\\\()\\[\\]\\x00-\\x1f\\x7f-\\x9f]';

const TenantSpec = Type.Object(
  {
    displayName: plainText(200, "The name of the business, as people read it."),
    contactEmail: Type.String({
      minLength: 3,
      maxLength: 254,
      pattern: `^${emailPart}{1,64}@${emailPart}{1,255}$`,
      description: "Whom to write to about the tenant.",
    }),
    mode: choice(
      ["test", "live", "both"],
      `What the tenant has a key for: test, in which no money moves, live, or both. Cannot be changed.`,
      immutable("mode"),
    ),
    currency: choice(
      [...currencies.keys()],
      `What balances are shown in where no other currency is asked for, as an ISO 4217 code. Payments may be
       in any currency. Cannot be changed.`,
      immutable("currency"),
    ),
    limits: Limits,
    suspended: Type.Boolean({
      description: "Whether all requests with the tenant's keys are refused with 403 tenant_suspended.",
      default: false,
    }),
    fraudPolicyRef: Type.Optional(
      reference(
        { name: objectName("The name of a FraudPolicy in the Tenant's namespace.") },
        `The policy by which the tenant's payments are judged, test and live. Without it the tenant has its
         own, as set by PUT /fraud/policy.`,
      ),
    ),
    apiKey: ApiKey,
    allowedNamespaces: setOf(namespaceOrAll("The name of a namespace, or * for every one."), {
      description: `From which other namespaces WebhookEndpoints may refer to this Tenant; from its own they
          always may.`,
      maxItems: 64,
      default: [],
      ...validated({
        rule: "!('*' in self) || size(self) == 1",
        message: "'*' stands for every namespace and must stand alone",
      }),
    }),
    deletionPolicy: choice(
      ["Retain", "Archive", "Purge"],
      `What becomes of the tenant when this object is deleted. Retain: it stays as it is, its keys work, and
       it is governed by REST from then on. Archive: it is suspended for good and its keys are revoked; its
       records stay. Purge: as Archive, and names, addresses and keys are erased; refused while there are
       live payments.`,
      { default: "Retain" },
    ),
  },
  { description: "What the tenant is to be." },
);
export type TenantSpec = Static<typeof TenantSpec>;

const keyStatus = (description: string) =>
  Type.Optional(
    Type.Object(
      {
        activeKeyId: Type.String({ maxLength: 100, description: "The id of the key in use." }),
        fingerprint: Type.String({
          maxLength: 64,
          description: "The first 16 hex digits of the key's SHA-256, by which it can be told from others.",
        }),
        issuedAt: moment("When the key came into use."),
        nextRotation: Type.Optional(moment("When it is to be replaced; only under rotation by schedule.")),
        previous: Type.Optional(
          Type.Object(
            {
              keyId: Type.String({ maxLength: 100, description: "Its id." }),
              expiresAt: moment("From when on it is refused."),
            },
            { description: "The key that was replaced, while it still works." },
          ),
        ),
      },
      { description },
    ),
  );

const TenantStatus = Type.Object(
  {
    ...commonStatus,
    lastHandledRotateNow,
    tenantId: Type.Optional(Type.String({ maxLength: 100, description: "The tenant's id in PayFlow." })),
    secretName: Type.Optional(Type.String({ maxLength: 253, description: "The Secret that has the keys." })),
    apiKey: keyStatus("The key under api-key in the Secret."),
    testApiKey: keyStatus("The key under test-api-key in the Secret; with mode both alone."),
    conditions: conditionList(
      `${progressConditions} SecretReady: the Secret has a key that works. KeyRotating: two keys work, the
       previous one until it ends. Suspended: requests are refused.`,
    ),
  },
  { description: "What the tenant is, as last seen by the operator." },
);
export type TenantStatus = Static<typeof TenantStatus>;

export type Tenant = CustomObject<TenantSpec, TenantStatus>;

export const tenantKind = resourceKind("Tenant", "tenants");

/** The Secret that a Tenant's keys are in. */
export function tenantSecretName(tenant: Pick<Tenant, "metadata" | "spec">): string {
  return tenant.spec.apiKey.secretName ?? `${tenant.metadata.name}-api-key`;
}

export const tenantResource: ResourceDefinition = {
  kind: tenantKind,
  shortNames: ["ten"],
  description: "A business that PayFlow serves. The operator makes it, and a Secret with its API key.",
  spec: TenantSpec,
  status: TenantStatus,
  rules: [
    {
      rule: "has(self.spec.apiKey.secretName) || size(self.metadata.name) <= 245",
      message: "spec.apiKey.secretName must be given where the name has more than 245 characters",
    },
  ],
  selectableFields: [".spec.fraudPolicyRef.name"],
  columns: [
    ...readyColumns,
    { name: "Mode", type: "string", description: "test, live or both.", jsonPath: ".spec.mode" },
    { name: "Secret", type: "string", description: "Where the API key is.", jsonPath: ".status.secretName" },
    {
      name: "Tenant-ID",
      type: "string",
      description: "The tenant's id in PayFlow.",
      jsonPath: ".status.tenantId",
      priority: 1,
    },
    ...lastColumns,
  ],
  example: {
    displayName: "Chai Point",
    contactEmail: "payments@chaipoint.example",
    mode: "test",
    currency: "INR",
    limits: { maxPaymentMinor: 5_000_000 },
    fraudPolicyRef: { name: "standard" },
    apiKey: { rotation: { policy: "Scheduled", interval: "720h", overlap: "24h" } },
  },
};
