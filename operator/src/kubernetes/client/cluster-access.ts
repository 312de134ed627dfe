import { readFile } from "node:fs/promises";
import path from "node:path";
import {
  type Cluster,
  newClusters,
  newContexts,
  newUsers,
  type User,
} from "@kubernetes/client-node/dist/config_types.js";
import { ExecAuth } from "@kubernetes/client-node/dist/exec_auth.js";

/** What proves who we are and whom we talk to, as it is now. */
export interface Credentials {
  readonly server: string;
  readonly headers: Readonly<Record<string, string>>;
  /** An HTTP proxy on the way. */
  readonly proxy?: string;
  readonly tls: {
    readonly ca?: string;
    readonly cert?: string;
    readonly key?: string;
    /** The name the server's certificate must have, where it is not the address's. */
    readonly serverName?: string;
    readonly rejectUnauthorized: boolean;
  };
}

/** A cluster and an account in it. */
export interface ClusterAccess {
  /** The namespace of the context, or of the pod. */
  readonly namespace: string | undefined;
  /** Reads everything anew that may have been rotated: files, and the answer of a login program. */
  read(): Promise<Credentials>;
}

export interface InCluster {
  readonly host: string;
  readonly port: string;
  /** Where the kubelet keeps the service account's `token`, `ca.crt` and `namespace`. */
  readonly folder?: string;
}

const serviceAccountFolder = "/var/run/secrets/kubernetes.io/serviceaccount";

/** The pod's own service account, whose token the kubelet renews while the pod runs. */
export async function inClusterAccess(place: InCluster): Promise<ClusterAccess> {
  const folder = place.folder ?? serviceAccountFolder;
  const file = (name: string) => readFile(path.join(folder, name), "utf8");
  const host = place.host.includes(":") ? `[${place.host}]` : place.host;
  return {
    namespace: (await file("namespace")).trim(),
    async read() {
      const [token, ca] = await Promise.all([file("token"), file("ca.crt")]);
      return {
        server: `https://${host}:${place.port}`,
        headers: { authorization: `Bearer ${token.trim()}` },
        tls: { ca, rejectUnauthorized: true },
      };
    },
  };
}

/**
 * The current context of a kubeconfig file, or the one named. The file is read again each time, since tools
 * renew certificates in place. Throws when the file or context is missing.
 */
export async function kubeconfigAccess(file: string, context?: string): Promise<ClusterAccess> {
  const login = new ExecAuth();
  const first = await readKubeconfig(file, context);
  return {
    namespace: first.namespace,
    async read() {
      const { cluster, user, tokenFile } = await readKubeconfig(file, context);
      const folder = path.dirname(file);
      const token = tokenFile === undefined ? user.token : await material(undefined, tokenFile, folder);
      return credentialsOf(cluster, { ...user, ...(token ? { token: token.trim() } : {}) }, folder, login);
    },
  };
}

async function readKubeconfig(file: string, wanted: string | undefined) {
  // JSON is YAML too; the parts are checked by client-node's own parsers.
  const parsed = Bun.YAML.parse(await readFile(file, "utf8")) as Record<string, unknown>;
  const name = wanted ?? parsed["current-context"];
  const context = newContexts(parsed.contexts).find((one) => one.name === name);
  if (context === undefined) throw new Error(`${file} has no context "${name}".`);
  const cluster = newClusters(parsed.clusters).find((one) => one.name === context.cluster);
  if (cluster === undefined) throw new Error(`${file} has no cluster "${context.cluster}".`);
  const user = newUsers(parsed.users).find((one) => one.name === context.user);
  if (user === undefined) throw new Error(`${file} has no user "${context.user}".`);
  return { namespace: context.namespace, cluster, user, tokenFile: tokenFileOf(parsed.users, user.name) };
}

/** client-node looks for a user's token file under another name than kubeconfigs have. */
function tokenFileOf(users: unknown, name: string): string | undefined {
  // That this is a list of named users, client-node has just checked.
  const entries = users as { readonly name: string; readonly user?: { readonly tokenFile?: string } }[];
  return entries.find((entry) => entry.name === name)?.user?.tokenFile;
}

async function credentialsOf(
  cluster: Cluster,
  user: User,
  folder: string,
  login: ExecAuth,
): Promise<Credentials> {
  const [ca, cert, key] = await Promise.all([
    material(cluster.caData, cluster.caFile, folder),
    material(user.certData, user.certFile, folder),
    material(user.keyData, user.keyFile, folder),
  ]);
  const headers: Record<string, string> = {};
  // What a kubeconfig leaves out is null or undefined here.
  if (user.impersonateUser) headers["impersonate-user"] = user.impersonateUser;
  if (user.username) {
    headers.authorization = `Basic ${btoa(`${user.username}:${user.password ?? ""}`)}`;
  }
  if (user.token) headers.authorization = `Bearer ${user.token}`;
  const granted = login.isAuthProvider(user) ? await runLogin(login, user) : undefined;
  return {
    server: cluster.server.replace(/\/+$/, ""),
    headers: { ...headers, ...granted?.headers },
    ...(cluster.proxyUrl ? { proxy: cluster.proxyUrl } : {}),
    tls: {
      rejectUnauthorized: !cluster.skipTLSVerify,
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      ...granted?.tls,
      ...(cluster.tlsServerName ? { serverName: cluster.tlsServerName } : {}),
    },
  };
}

/** Asks the program that the kubeconfig names; client-node keeps its answer until it expires. */
async function runLogin(login: ExecAuth, user: User) {
  const options: { headers: Record<string, string>; cert?: string; key?: string } = { headers: {} };
  await login.applyAuthentication(user, options);
  const authorization = options.headers.Authorization;
  return {
    headers: authorization === undefined ? {} : { authorization },
    tls: {
      ...(options.cert === undefined ? {} : { cert: options.cert }),
      ...(options.key === undefined ? {} : { key: options.key }),
    },
  };
}

/** A PEM text that stands in the kubeconfig in base64, or in a file of its own. */
async function material(
  data: string | undefined,
  file: string | undefined,
  folder: string,
): Promise<string | undefined> {
  if (data) return Buffer.from(data, "base64").toString("utf8");
  return file ? readFile(path.resolve(folder, file), "utf8") : undefined;
}
