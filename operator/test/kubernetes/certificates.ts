import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";

export interface TestCertificates {
  readonly authority: string;
  readonly server: { readonly cert: string; readonly key: string };
  readonly client: { readonly cert: string; readonly key: string };
}

/** An authority with a certificate for a server of this name alone, and one for a client; paths of files. */
export async function makeCertificates(folder: string, serverName: string): Promise<TestCertificates> {
  mkdirSync(folder, { recursive: true });
  const file = (name: string) => path.join(folder, name);
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  await openssl(
    ["req", "-x509", ...newKey, "-days", "2", "-subj", "/CN=test authority"],
    ["-keyout", file("ca.key"), "-out", file("ca.crt")],
    ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"],
  );
  for (const name of ["server", "client"]) {
    const extensions = `subjectAltName=DNS:${serverName}\nextendedKeyUsage=${name}Auth\n`;
    writeFileSync(file(`${name}.ext`), extensions);
    await openssl(
      ["req", "-new", ...newKey, "-subj", `/CN=${name}`],
      ["-keyout", file(`${name}.key`), "-out", file(`${name}.csr`)],
    );
    await openssl(
      ["x509", "-req", "-in", file(`${name}.csr`), "-out", file(`${name}.crt`), "-days", "2"],
      ["-CA", file("ca.crt"), "-CAkey", file("ca.key"), "-CAcreateserial", "-extfile", file(`${name}.ext`)],
    );
  }
  const pair = (name: string) => ({ cert: file(`${name}.crt`), key: file(`${name}.key`) });
  return { authority: file("ca.crt"), server: pair("server"), client: pair("client") };
}

async function openssl(...parts: readonly (readonly string[])[]): Promise<void> {
  const run = Bun.spawn(["openssl", ...parts.flat()], { stdout: "ignore", stderr: "pipe" });
  if ((await run.exited) !== 0) throw new Error(await new Response(run.stderr).text());
}
