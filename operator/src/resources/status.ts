import { Type } from "@sinclair/typebox";
import { choice, mapOf, moment } from "./schema.ts";

const ConditionSchema = Type.Object(
  {
    type: Type.String({
      maxLength: 316,
      pattern: "^[A-Za-z][A-Za-z0-9]*$",
      description: "What is said to be true or not, in CamelCase.",
    }),
    status: choice(["True", "False", "Unknown"], "Whether it is so."),
    observedGeneration: Type.Integer({
      minimum: 0,
      description: "The metadata.generation that this was found with; an older one may be out of date.",
    }),
    lastTransitionTime: moment("When the condition's status last changed."),
    reason: Type.String({
      minLength: 1,
      maxLength: 1_024,
      pattern: "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
      description: "Why, in one word for programs.",
    }),
    message: Type.String({ maxLength: 32_768, description: "Why, in a sentence for people." }),
  },
  { description: "One aspect of the state." },
);

/** What the status of every resource has. */
export const commonStatus = {
  observedGeneration: Type.Optional(
    Type.Integer({
      minimum: 0,
      description: "The metadata.generation that the operator last acted on.",
    }),
  ),
  lastHandledForceSync: Type.Optional(
    Type.String({
      maxLength: 256,
      description: "The value of the annotation payflow.dev/force-sync that was last followed.",
    }),
  ),
};

/** The conditions; `types` says which there are and what they mean. */
export function conditionList(types: string) {
  return Type.Optional(
    mapOf(ConditionSchema, ["type"], {
      description: `What is known about the state. ${types}`,
      maxItems: 16,
    }),
  );
}

/** What kstatus reads, and so Helm, Argo CD and Flux. */
export const progressConditions = `Ready: all is as wanted and in force. Reconciling: the operator is at it,
  or will try again by itself. Stalled: nothing goes on before somebody changes something, and the message
  says what.`;

/** The value of the annotation by which a secret was last replaced. */
export const lastHandledRotateNow = Type.Optional(
  Type.String({
    maxLength: 256,
    description: "The value of the annotation payflow.dev/rotate-now that was last followed.",
  }),
);
