import ipaddr from "ipaddr.js";

/** Ranges that ipaddr.js calls unicast, or does not look into, and that must not be reached all the same. */
const refused: readonly [string, number][] = [
  ["192.0.0.0", 24], // protocol assignments
  ["192.88.99.0", 24], // 6to4 relays, deprecated
  ["192.31.196.0", 24], // AS112
  ["192.52.193.0", 24], // automatic multicast tunnels
  ["192.175.48.0", 24], // AS112
  ["64:ff9b::", 96], // NAT64: an IPv4 address in other clothes
  ["64:ff9b:1::", 48], // NAT64 for local use
  ["100::", 64], // discard
  ["2001::", 23], // protocol assignments, Teredo among them
  ["2001:db8::", 32], // documentation
  ["3fff::", 20], // documentation
  ["2002::", 16], // 6to4: an IPv4 address in other clothes
  ["5f00::", 16], // segment routing
  ["2620:4f:8000::", 48], // AS112
  ["fec0::", 10], // site-local, deprecated
];

const refusedRanges = refused.map(([address, bits]) => [ipaddr.parse(address), bits] as const);
const globalV6 = ipaddr.parseCIDR("2000::/3");

/**
 * Whether the address is one of the public internet. IPv4 in IPv6 is judged as the IPv4 address that it maps,
 * and whatever embeds one in another way is refused. See the registries of special-purpose addresses, RFC
 * 6890.
 */
export function isGlobalAddress(text: string): boolean {
  if (!ipaddr.isValid(text) || text.includes("%")) return false;
  const address = ipaddr.process(text);
  if (address.range() !== "unicast") return false;
  if (address.kind() === "ipv6" && !address.match(globalV6)) return false;
  return !refusedRanges.some(
    ([range, bits]) => range.kind() === address.kind() && address.match(range, bits),
  );
}

/** The address that a URL's host is, without the brackets of IPv6, or null when it is a name. */
export function literalAddress(hostname: string): string | null {
  const host = hostname.startsWith("[") && hostname.endsWith("]") ? hostname.slice(1, -1) : hostname;
  return ipaddr.isValid(host) ? host : null;
}
