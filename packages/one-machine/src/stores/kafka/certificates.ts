import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { makeAuthority, signCertificate } from "../../programs/openssl.ts";

/** Files in PEM form. */
export interface Certificates {
  readonly authority: string;
  /** The broker's key, followed by its certificate and the authority's. */
  readonly broker: string;
  readonly clientCertificate: string;
  readonly clientKey: string;
}

/**
 * Makes an authority of its own in a folder, with a certificate for a broker on this machine and one for a
 * client of it. Needs `openssl`.
 */
export function makeCertificates(folder: string): Certificates {
  const authority = makeAuthority(folder, "PayFlow Kafka authority");
  const forBoth = (name: string) =>
    signCertificate(authority, name, {
      subject: `/CN=${name}`,
      usages: ["serverAuth", "clientAuth"],
      alternativeNames: ["DNS:localhost", "IP:127.0.0.1"],
    });
  const broker = forBoth("broker");
  const client = forBoth("client");
  const chain = path.join(folder, "broker-chain.pem");
  const parts = [broker.key, broker.certificate, authority.certificate];
  writeFileSync(chain, parts.map((part) => readFileSync(part, "utf8")).join(""), { mode: 0o600 });
  return {
    authority: authority.certificate,
    broker: chain,
    clientCertificate: client.certificate,
    clientKey: client.key,
  };
}
