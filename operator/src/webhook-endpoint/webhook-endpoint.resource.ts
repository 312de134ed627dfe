import { modes } from "@payflow/contracts/access.ts";
import { DeliveryStatus, PutEndpointBody, webhookEvents } from "@payflow/contracts/internal-notifier.ts";
import { type Static, Type } from "@sinclair/typebox";
import { type CustomObject, resourceKind } from "../resources/api-group.ts";
import {
  conditionPath,
  lastColumns,
  type ResourceDefinition,
  readyColumns,
} from "../resources/definition.ts";
import { Rotation } from "../resources/rotation.ts";
import {
  choice,
  immutable,
  immutableOption,
  moment,
  namespaceName,
  objectName,
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

const TenantRef = reference(
  {
    name: objectName("The Tenant's name."),
    namespace: Type.Optional(
      namespaceName(
        `The Tenant's namespace; the endpoint's own when left out. A Tenant elsewhere must name this
         object's namespace in its allowedNamespaces.`,
      ),
    ),
  },
  "The Tenant whose events are sent. Cannot be changed.",
  immutable("tenantRef"),
);

const Signing = settings(
  {
    secretName: Type.Optional(
      objectName(
        `The Secret, in the endpoint's namespace, that the operator makes and keeps the signing secret in;
         the endpoint's name and "-signing-secret" when left out. It must not exist already. Cannot be
         changed.`,
      ),
    ),
    rotation: Rotation,
  },
  `The secret that messages are signed with, as in Standard Webhooks: signing-secret in the Secret. While it
   is replaced, messages are signed with signing-secret-previous too.`,
  immutableOption("secretName"),
);

const {
  timeout_seconds: timeout,
  max_attempts: attempts,
  rate_per_second: rate,
} = PutEndpointBody.properties.delivery.properties;

const Delivery = settings(
  {
    timeoutSeconds: Type.Integer({
      ...timeout,
      description: "How long an attempt may take, from the name's look-up to the last byte of the answer.",
      default: 15,
    }),
    maxAttempts: Type.Integer({
      ...attempts,
      description: "How often a message is tried, over up to three days, before it is given up.",
      default: 10,
    }),
    ratePerSecond: Type.Optional(
      Type.Integer({
        ...rate.anyOf[0],
        description: "Messages sent a second at most. Without it there is no such limit.",
      }),
    ),
  },
  "How messages are sent.",
);

const WebhookEndpointSpec = Type.Object(
  {
    tenantRef: TenantRef,
    mode: choice(
      modes,
      "Whether test or live events are sent; the Tenant must have that mode. Cannot be changed.",
      immutable("mode"),
    ),
    url: Type.String({
      minLength: 8,
      maxLength: 2_048,
      pattern: "^https?://[^\\s\\x00-\\x1f\\x7f-\\x9f]+$",
      description: `Where messages are sent, by POST. It must be https with a public address, unless the
        installation allows others.`,
      ...validated(
        { rule: "isURL(self)", message: "url must be a URL" },
        { rule: "!self.contains('#')", message: "url must have no fragment" },
        {
          rule: "!self.matches('^[^/]*//[^/?#]*@')",
          message: "url must have no user name or password: messages are signed instead",
        },
      ),
    }),
    events: setOf(choice(webhookEvents, "The name of an event."), {
      description: "Which events are sent.",
      minItems: 1,
      maxItems: webhookEvents.length,
    }),
    enabled: Type.Boolean({
      description: `Whether messages are sent. An endpoint that failed for days, or answered 410, is disabled
        by itself; a change of this object's spec enables it again.`,
      default: true,
    }),
    signing: Signing,
    delivery: Delivery,
    deletionPolicy: choice(
      ["Drain", "Immediate"],
      `What becomes of messages that wait when this object is deleted. Drain: they are still sent, and the
       object goes when that is done. Immediate: they are canceled.`,
      { default: "Drain" },
    ),
  },
  { description: "What the endpoint is to be." },
);
export type WebhookEndpointSpec = Static<typeof WebhookEndpointSpec>;

const SigningStatus = Type.Object(
  {
    fingerprint: Type.String({
      maxLength: 64,
      description: "The first 16 hex digits of the secret's SHA-256, by which it can be told from others.",
    }),
    issuedAt: moment("When the secret came into use."),
    nextRotation: Type.Optional(moment("When it is to be replaced; only under rotation by schedule.")),
    previousExpiresAt: Type.Optional(
      moment("Until when messages are signed with the previous one too, while they are."),
    ),
  },
  { description: "The secret that messages are signed with." },
);

const count = { minimum: 0 };
const delivered = DeliveryStatus.properties;
const DeliveryReport = Type.Object(
  {
    lastSuccess: Type.Optional(moment("When a message was last taken.")),
    lastFailure: Type.Optional(moment("When an attempt last failed.")),
    lastStatusCode: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 999, description: "What the last attempt was answered with." }),
    ),
    consecutiveFailures: Type.Integer({ ...count, description: "Attempts that failed since one succeeded." }),
    pending: Type.Integer({ ...count, description: "Messages that wait, counted up to 100,000." }),
    dead: Type.Integer({ ...count, description: delivered.dead.description ?? "" }),
  },
  { description: "How sending goes; written once a minute at most." },
);

const WebhookEndpointStatus = Type.Object(
  {
    ...commonStatus,
    lastHandledRotateNow,
    endpointId: Type.Optional(Type.String({ maxLength: 100, description: "The endpoint's id in PayFlow." })),
    tenantId: Type.Optional(Type.String({ maxLength: 100, description: "The tenant's id in PayFlow." })),
    secretName: Type.Optional(
      Type.String({ maxLength: 253, description: "The Secret that has the signing secret." }),
    ),
    signing: Type.Optional(SigningStatus),
    delivery: Type.Optional(DeliveryReport),
    conditions: conditionList(
      `${progressConditions} SecretReady: the Secret has the secret that messages are signed with.
       KeyRotating: messages are signed with the previous one too. Delivering: messages are taken by the
       endpoint. AutoDisabled: it was disabled since it failed for days or answered 410.`,
    ),
  },
  { description: "What the endpoint is, as last seen by the operator." },
);
export type WebhookEndpointStatus = Static<typeof WebhookEndpointStatus>;

export type WebhookEndpoint = CustomObject<WebhookEndpointSpec, WebhookEndpointStatus>;

export const webhookEndpointKind = resourceKind("WebhookEndpoint", "webhookendpoints");

/** The Secret that an endpoint's signing secret is in. */
export function signingSecretName(endpoint: Pick<WebhookEndpoint, "metadata" | "spec">): string {
  return endpoint.spec.signing.secretName ?? `${endpoint.metadata.name}-signing-secret`;
}

export const webhookEndpointResource: ResourceDefinition = {
  kind: webhookEndpointKind,
  shortNames: ["whe"],
  description:
    "A URL that a Tenant's events are sent to. The operator makes a Secret to check messages with.",
  spec: WebhookEndpointSpec,
  status: WebhookEndpointStatus,
  rules: [
    {
      rule: "has(self.spec.signing.secretName) || size(self.metadata.name) <= 238",
      message: "spec.signing.secretName must be given where the name has more than 238 characters",
    },
  ],
  selectableFields: [".spec.tenantRef.name"],
  columns: [
    ...readyColumns,
    {
      name: "Tenant",
      type: "string",
      description: "Whose events are sent.",
      jsonPath: ".spec.tenantRef.name",
    },
    { name: "Mode", type: "string", description: "test or live.", jsonPath: ".spec.mode" },
    {
      name: "Delivering",
      type: "string",
      description: "Whether messages are taken; unknown until one was sent.",
      jsonPath: conditionPath("Delivering", "status"),
    },
    {
      name: "Pending",
      type: "integer",
      description: "Messages that wait.",
      jsonPath: ".status.delivery.pending",
    },
    { name: "URL", type: "string", description: "Where to.", jsonPath: ".spec.url", priority: 1 },
    {
      name: "Endpoint-ID",
      type: "string",
      description: "The endpoint's id in PayFlow.",
      jsonPath: ".status.endpointId",
      priority: 1,
    },
    ...lastColumns,
  ],
  example: {
    tenantRef: { name: "chai-point" },
    mode: "test",
    url: "https://shop.chaipoint.example/payflow",
    events: ["payment.settled", "refund.settled"],
    delivery: { ratePerSecond: 50 },
  },
};
