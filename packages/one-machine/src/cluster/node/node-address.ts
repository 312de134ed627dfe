/** The node inside its network, as pods see it; the API and the stores are there too. */
export const nodeAddress = "10.77.0.1";

/** With the length of its network's prefix. */
export const nodeNetwork = `${nodeAddress}/24`;

export const nodeName = "node1";

/** Where pods get their addresses from. */
export const podNetwork = "10.244.0.0/24";

/** The state folder inside, at a short path that every account can reach. */
export const stateInside = "/run/payflow/state";

/** Where containerd listens inside. */
export const containerdSocket = "/run/containerd/containerd.sock";

/** What the stores listen on inside, at the node's address. */
export const storePorts = { postgres: 5_432, cacheRedis: 6_379, durableRedis: 6_380, kafka: 9_092 } as const;
