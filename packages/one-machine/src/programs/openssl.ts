import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";

/** Files in PEM form. */
export interface KeyPair {
  readonly key: string;
  readonly certificate: string;
}

export interface CertificateRequest {
  /** Such as `/O=group/CN=name`. */
  readonly subject: string;
  readonly usages: readonly ("serverAuth" | "clientAuth")[];
  /** Such as `DNS:localhost` and `IP:127.0.0.1`. */
  readonly alternativeNames?: readonly string[];
}

/** Makes an authority in a folder, as `authority.key` and `authority.pem`. Needs `openssl`. */
export function makeAuthority(folder: string, name: string): KeyPair {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const pair = pairIn(folder, "authority");
  makeKey(pair.key);
  openssl([
    ["req", "-x509", "-new", "-key", pair.key, "-out", pair.certificate],
    ["-sha256", "-days", "3650", "-subj", `/CN=${name}`],
    ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"],
  ]);
  return pair;
}

/** Has the authority sign a new certificate, kept beside its own under this name. */
export function signCertificate(authority: KeyPair, name: string, request: CertificateRequest): KeyPair {
  const folder = path.dirname(authority.key);
  const pair = pairIn(folder, name);
  const file = (ending: string) => path.join(folder, `${name}.${ending}`);
  makeKey(pair.key);
  openssl([["req", "-new", "-key", pair.key, "-out", file("csr"), "-subj", request.subject]]);
  const { alternativeNames = [], usages } = request;
  const extensions = [
    `extendedKeyUsage=${usages.join(",")}\n`,
    ...(alternativeNames.length === 0 ? [] : [`subjectAltName=${alternativeNames.join(",")}\n`]),
  ];
  writeFileSync(file("extensions"), extensions.join(""));
  openssl([
    ["x509", "-req", "-in", file("csr"), "-out", pair.certificate, "-sha256", "-days", "825"],
    ["-CA", authority.certificate, "-CAkey", authority.key, "-CAcreateserial"],
    ["-extfile", file("extensions")],
  ]);
  return pair;
}

function pairIn(folder: string, name: string): KeyPair {
  return { key: path.join(folder, `${name}.key`), certificate: path.join(folder, `${name}.pem`) };
}

/** In the PKCS 8 form, which is the only one that every reader of ours takes. */
function makeKey(file: string): void {
  openssl([["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", file]]);
}

/** The public half of a private key, written to a file. */
export function writePublicKey(key: string, file: string): void {
  openssl([["pkey", "-in", key, "-pubout", "-out", file]]);
}

function openssl(parts: readonly (readonly string[])[]): void {
  const run = spawnSync("openssl", parts.flat());
  if (run.error !== undefined) throw new Error(`openssl is missing: ${run.error.message}`);
  if (run.status !== 0) throw new Error(`openssl failed: ${run.stderr.toString().trim()}`);
}
