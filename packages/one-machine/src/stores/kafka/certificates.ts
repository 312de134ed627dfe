import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

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
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = (name: string) => path.join(folder, name);
  makeKey(file("authority.key"));
  openssl([
    ["req", "-x509", "-new", "-key", file("authority.key"), "-out", file("authority.pem")],
    ["-sha256", "-days", "3650", "-subj", "/CN=PayFlow Kafka authority"],
    ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"],
  ]);
  for (const name of ["broker", "client"]) signFor(name, file);
  const parts = [file("broker.key"), file("broker.pem"), file("authority.pem")];
  writeFileSync(file("broker-chain.pem"), parts.map((part) => readFileSync(part, "utf8")).join(""), {
    mode: 0o600,
  });
  return {
    authority: file("authority.pem"),
    broker: file("broker-chain.pem"),
    clientCertificate: file("client.pem"),
    clientKey: file("client.key"),
  };
}

function signFor(name: string, file: (name: string) => string): void {
  makeKey(file(`${name}.key`));
  openssl([
    ["req", "-new", "-key", file(`${name}.key`), "-out", file(`${name}.csr`), "-subj", `/CN=${name}`],
  ]);
  writeFileSync(
    file(`${name}.extensions`),
    "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n",
  );
  openssl([
    ["x509", "-req", "-in", file(`${name}.csr`), "-out", file(`${name}.pem`), "-sha256", "-days", "825"],
    ["-CA", file("authority.pem"), "-CAkey", file("authority.key"), "-CAcreateserial"],
    ["-extfile", file(`${name}.extensions`)],
  ]);
}

/** Java reads private keys in the PKCS 8 form alone. */
function makeKey(file: string): void {
  openssl([["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", file]]);
}

function openssl(parts: readonly (readonly string[])[]): void {
  const run = spawnSync("openssl", parts.flat());
  if (run.error !== undefined) throw new Error(`openssl is missing: ${run.error.message}`);
  if (run.status !== 0) throw new Error(`openssl failed: ${run.stderr.toString().trim()}`);
}
