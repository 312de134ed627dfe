import { readFileSync } from "node:fs";
import type { KeyPair } from "../programs/openssl.ts";

/** Who comes in: by a certificate (files in PEM form), or by a token. */
export type ClusterUser = KeyPair | { readonly token: string };

export interface ClusterAccess {
  /** `https://127.0.0.1:port`. */
  readonly server: string;
  /** The authority's certificate: the PEM text itself. */
  readonly authority: string;
  readonly user: ClusterUser;
  /** What kubectl takes when it is told no namespace; `default` when left out. */
  readonly namespace?: string;
}

/** The text of a kubeconfig that names no other file, so that it may be copied anywhere. */
export function kubeconfigText({ server, authority, user, namespace = "default" }: ClusterAccess): string {
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  const ofFile = (file: string) => base64(readFileSync(file, "utf8"));
  const secret =
    "token" in user
      ? `token: ${user.token}`
      : `client-certificate-data: ${ofFile(user.certificate)}\n      client-key-data: ${ofFile(user.key)}`;
  return `apiVersion: v1
kind: Config
clusters:
  - name: payflow
    cluster:
      server: ${server}
      certificate-authority-data: ${base64(authority)}
users:
  - name: payflow
    user:
      ${secret}
contexts:
  - name: payflow
    context:
      cluster: payflow
      user: payflow
      namespace: ${namespace}
current-context: payflow
`;
}
