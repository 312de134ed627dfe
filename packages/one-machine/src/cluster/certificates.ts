import { existsSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type KeyPair, makeAuthority, signCertificate, writePublicKey } from "../programs/openssl.ts";

/** What the parts of a cluster know each other by; files in PEM form. */
export interface ClusterCertificates {
  /** The authority's certificate. */
  readonly authority: string;
  /** What the servers show, and the API server shows etcd. */
  readonly server: KeyPair;
  /** A member of `system:masters`, whom RBAC allows everything. */
  readonly admin: KeyPair;
  readonly controllerManager: KeyPair;
  /** Signs the tokens of ServiceAccounts; `certificate` is the public key. */
  readonly serviceAccounts: KeyPair;
}

/** The certificates in a folder, made at the first call. Needs `openssl`. */
export function clusterCertificates(folder: string): ClusterCertificates {
  const file = (name: string) => path.join(folder, name);
  const pair = (name: string): KeyPair => ({
    key: file(`${name}.key`),
    certificate: file(`${name}.pem`),
  });
  // What was interrupted is begun again.
  if (!existsSync(file("complete"))) {
    rmSync(folder, { recursive: true, force: true });
    make(folder);
    writeFileSync(file("complete"), "");
  }
  return {
    authority: file("authority.pem"),
    server: pair("server"),
    admin: pair("admin"),
    controllerManager: pair("controller-manager"),
    serviceAccounts: pair("service-accounts"),
  };
}

function make(folder: string): void {
  const authority = makeAuthority(folder, "PayFlow cluster authority");
  signCertificate(authority, "server", {
    subject: "/CN=payflow-cluster",
    usages: ["serverAuth", "clientAuth"],
    alternativeNames: ["DNS:localhost", "IP:127.0.0.1", ...serviceNames],
  });
  signCertificate(authority, "admin", {
    subject: "/O=system:masters/CN=payflow-admin",
    usages: ["clientAuth"],
  });
  signCertificate(authority, "controller-manager", {
    subject: "/CN=system:kube-controller-manager",
    usages: ["clientAuth"],
  });
  const tokens = signCertificate(authority, "service-accounts", {
    subject: "/CN=service-accounts",
    usages: ["clientAuth"],
  });
  writePublicKey(tokens.key, tokens.certificate);
}

/** How pods call the API server: the service's name, and the first address of the range of services. */
const serviceNames = [
  "DNS:kubernetes",
  "DNS:kubernetes.default",
  "DNS:kubernetes.default.svc",
  "DNS:kubernetes.default.svc.cluster.local",
  "IP:10.96.0.1",
];
