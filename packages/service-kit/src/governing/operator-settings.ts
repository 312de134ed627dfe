import { operatorAudience } from "@payflow/contracts/internal-operator.ts";
import type { Static, TObject } from "@sinclair/typebox";
import type { OperatorAuthenticator } from "../http/access.ts";
import { ConfigError, setting } from "../process/config.ts";
import type { Logger } from "../telemetry/logging.ts";
import { byKeys, byTokenReview } from "./operator-tokens.ts";

const account = "/var/run/secrets/kubernetes.io/serviceaccount";
const names = "^[a-z0-9-]{1,63}/[a-z0-9.-]{1,253}(,[a-z0-9-]{1,63}/[a-z0-9.-]{1,253})*$";

/** What services that the operator writes to read besides. */
export const operatorSettings = {
  OPERATOR_AUTH: setting.choice(
    ["secret", "token_review", "jwks"],
    "How the operator is known: by INTERNAL_SERVICE_SECRET, or by its ServiceAccount token, which the " +
      "cluster is asked about (which hears of an account's end) or whose signature is checked.",
    "secret",
  ),
  OPERATOR_ACCOUNTS: setting.optional(
    setting.text("The operator's ServiceAccounts, as NAMESPACE/NAME by comma; tokens need it.", undefined, {
      pattern: names,
    }),
  ),
  OPERATOR_TOKEN_ISSUER: setting.neededWith(
    { OPERATOR_AUTH: "jwks" },
    setting.text("Who issues the cluster's tokens; needed where OPERATOR_AUTH is jwks."),
  ),
  KUBERNETES_API_URL: setting.url("The cluster's API.", "https://kubernetes.default.svc"),
  KUBERNETES_CA_FILE: setting.text(
    "The authority of the API's certificate, in PEM form.",
    `${account}/ca.crt`,
  ),
  KUBERNETES_TOKEN_FILE: setting.text("This service's own token for the API.", `${account}/token`),
};

type OperatorConfig = Static<TObject<typeof operatorSettings>>;

/**
 * What knows the operator by its token; undefined where it has the internal secret. Throws `ConfigError`
 * where nobody is named whose token counts.
 */
export function operatorAuthenticator(
  config: OperatorConfig,
  logger: Logger,
): OperatorAuthenticator | undefined {
  if (config.OPERATOR_AUTH === "secret") return undefined;
  const accounts = (config.OPERATOR_ACCOUNTS ?? "").split(",").filter((name) => name !== "");
  if (accounts.length === 0) {
    throw new ConfigError(["OPERATOR_ACCOUNTS is missing: without it nobody's token is the operator's"]);
  }
  const cluster = {
    url: config.KUBERNETES_API_URL,
    caFile: config.KUBERNETES_CA_FILE,
    tokenFile: config.KUBERNETES_TOKEN_FILE,
  };
  const wanted = {
    subjects: accounts.map((name) => `system:serviceaccount:${name.replace("/", ":")}`),
    audience: operatorAudience,
    logger,
  };
  if (config.OPERATOR_AUTH === "token_review") return byTokenReview(cluster, wanted);
  return byKeys(cluster, { ...wanted, issuer: config.OPERATOR_TOKEN_ISSUER ?? "" });
}
