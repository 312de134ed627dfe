import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { containerdSocket, nodeAddress, nodeName, podNetwork } from "./node-address.ts";
import type { NodeCertificates } from "./node-certificates.ts";

/** The name of the image that holds a pod together. */
export const pauseImage = "payflow.local/pause:1";

/** Where the node's programs find what they are told. */
export interface NodeSettingsFiles {
  readonly containerd: string;
  readonly kubelet: string;
  readonly proxy: string;
}

export interface WantedNodeSettings {
  /** The node's folder in the state, by its path inside. */
  readonly folder: string;
  readonly runc: string;
  readonly pluginFolder: string;
  readonly certificates: NodeCertificates;
  readonly proxyKubeconfig: string;
}

/** Writes the settings of containerd, its network, kubelet and kube-proxy. */
export function writeNodeSettings(wanted: WantedNodeSettings): NodeSettingsFiles {
  const { folder } = wanted;
  const networks = path.join(folder, "networks");
  mkdirSync(networks, { recursive: true });
  const file = (name: string, text: string) => {
    writeFileSync(path.join(folder, name), text, { mode: 0o600 });
    return path.join(folder, name);
  };
  // Names outside of the cluster do not exist.
  file("resolv.conf", `nameserver ${nodeAddress}\n`);
  file("networks/10-pods.conflist", JSON.stringify(podNetworkPlugins()));
  return {
    containerd: file("containerd.toml", containerd(wanted, networks)),
    kubelet: file("kubelet.json", JSON.stringify(kubelet(wanted))),
    proxy: file("kube-proxy.json", JSON.stringify(proxy(wanted))),
  };
}

function podNetworkPlugins() {
  return {
    cniVersion: "0.4.0",
    name: "pods",
    plugins: [
      {
        type: "bridge",
        bridge: "pods",
        isDefaultGateway: true,
        // A pod may reach itself by its own service.
        hairpinMode: true,
        ipam: { type: "host-local", dataDir: "/run/pod-addresses", ranges: [[{ subnet: podNetwork }]] },
      },
    ],
  };
}

/** Version 2 of the format is what both lines of containerd read. */
function containerd({ folder, runc, pluginFolder }: WantedNodeSettings, networks: string): string {
  const text = (value: string) => JSON.stringify(value);
  const cri = '"io.containerd.grpc.v1.cri"';
  const unused = ["btrfs", "zfs", "devmapper", "aufs", "native"].map(
    (name) => `io.containerd.snapshotter.v1.${name}`,
  );
  return `version = 2
root = ${text(path.join(folder, "containerd"))}
state = "/run/containerd"
disabled_plugins = ${JSON.stringify(unused)}
[grpc]
address = ${text(containerdSocket)}
[plugins.${cri}]
sandbox_image = ${text(pauseImage)}
disable_apparmor = true
# Root may lack CAP_SYS_RESOURCE, without which nobody's score may be lowered.
restrict_oom_score_adj = true
[plugins.${cri}.cni]
bin_dir = ${text(pluginFolder)}
conf_dir = ${text(networks)}
[plugins.${cri}.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins.${cri}.containerd.runtimes.runc.options]
SystemdCgroup = false
BinaryName = ${text(runc)}
`;
}

function kubelet({ folder, certificates }: WantedNodeSettings) {
  // A disk that is nearly full is the machine's business: it would have every pod thrown out.
  const nearlyNothing = "1%";
  return {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    address: nodeAddress,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: certificates.authority },
    },
    authorization: { mode: "Webhook" },
    tlsCertFile: certificates.kubeletServer.certificate,
    tlsPrivateKeyFile: certificates.kubeletServer.key,
    cgroupDriver: "cgroupfs",
    failCgroupV1: false,
    containerRuntimeEndpoint: `unix://${containerdSocket}`,
    clusterDNS: [nodeAddress],
    clusterDomain: "cluster.local",
    resolvConf: path.join(folder, "resolv.conf"),
    podLogsDir: path.join(folder, "pod-logs"),
    volumePluginDir: path.join(folder, "volume-plugins"),
    evictionHard: {
      "memory.available": "50Mi",
      "nodefs.available": nearlyNothing,
      "nodefs.inodesFree": nearlyNothing,
      "imagefs.available": nearlyNothing,
      "imagefs.inodesFree": nearlyNothing,
    },
    // There is nowhere to fetch an image from again.
    imageGCHighThresholdPercent: 100,
    nodeStatusUpdateFrequency: "5s",
    maxPods: 100,
    oomScoreAdj: 0,
    failSwapOn: false,
  };
}

function proxy({ proxyKubeconfig }: WantedNodeSettings) {
  return {
    apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
    kind: "KubeProxyConfiguration",
    clientConnection: { kubeconfig: proxyKubeconfig },
    mode: "iptables",
    hostnameOverride: nodeName,
    clusterCIDR: podNetwork,
    bindAddress: nodeAddress,
    healthzBindAddress: "127.0.0.1:10256",
    metricsBindAddress: "127.0.0.1:10249",
    // The table of connections is the whole machine's.
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: "0s", tcpCloseWaitTimeout: "0s" },
    oomScoreAdj: 0,
  };
}
