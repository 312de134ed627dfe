import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type KeyPair, signCertificate } from "../../programs/openssl.ts";
import { clusterCertificates } from "../certificates.ts";
import { kubeconfigText } from "../kubeconfig.ts";
import { nodeAddress, nodeName } from "./node-address.ts";

const parts = ["kube-scheduler", "kube-proxy", "kubelet"] as const;

/** How the API's servers and the node's programs know each other; files in PEM form. */
export interface NodeCertificates {
  readonly authority: string;
  /** What the kubelet shows whoever asks for logs. */
  readonly kubeletServer: KeyPair;
}

/** The kubeconfig of a part, which `nodeCertificates` writes. */
export const partKubeconfig = (folder: string, part: (typeof parts)[number]) =>
  path.join(folder, "node", `${part}.kubeconfig`);

/** The node's certificates in a cluster's folder, and its parts' kubeconfigs; certificates are made once. */
export function nodeCertificates(folder: string, server: string): NodeCertificates {
  const certificates = path.join(folder, "certificates");
  const { authority } = clusterCertificates(certificates);
  const pair = (name: string): KeyPair => ({
    key: path.join(certificates, `${name}.key`),
    certificate: path.join(certificates, `${name}.pem`),
  });
  const complete = path.join(certificates, "node-complete");
  if (!existsSync(complete)) {
    make({ key: path.join(certificates, "authority.key"), certificate: authority });
    writeFileSync(complete, "");
  }
  for (const part of parts) {
    const file = partKubeconfig(folder, part);
    const access = { server, authority: readFileSync(authority, "utf8"), user: pair(part) };
    rmSync(file, { force: true });
    writeFileSync(file, kubeconfigText(access), { mode: 0o600 });
  }
  return { authority, kubeletServer: pair("kubelet-server") };
}

function make(authority: KeyPair): void {
  const subjects = {
    "kube-scheduler": "/CN=system:kube-scheduler",
    "kube-proxy": "/CN=system:kube-proxy",
    // By this name the API lets it see and change what is of its own node alone.
    kubelet: `/O=system:nodes/CN=system:node:${nodeName}`,
  };
  for (const part of parts) {
    signCertificate(authority, part, { subject: subjects[part], usages: ["clientAuth"] });
  }
  signCertificate(authority, "kubelet-server", {
    subject: subjects.kubelet,
    usages: ["serverAuth"],
    alternativeNames: [`DNS:${nodeName}`, `IP:${nodeAddress}`],
  });
}
