import ipaddr from "ipaddr.js";

type Address = ipaddr.IPv4 | ipaddr.IPv6;
export type AddressRange = readonly [Address, number];

/** One spelling for every spelling of an address; an IPv4-mapped IPv6 address counts as the IPv4 one. */
export function canonicalAddress(text: string): string {
  if (!text.includes(":")) return text;
  return ipaddr.isValid(text) ? ipaddr.process(text).toString() : text;
}

/** The range that an address or a CIDR notation stands for; undefined when it is neither. */
export function parseRange(text: string): AddressRange | undefined {
  const [address, bits, ...rest] = text.split("/");
  if (address === undefined || rest.length > 0 || !isAddress(address)) return undefined;
  const parsed = ipaddr.process(address);
  const maxBits = parsed.kind() === "ipv4" ? 32 : 128;
  if (bits === undefined) return [parsed, maxBits];
  if (!/^\d{1,3}$/.test(bits)) return undefined;
  // The prefix of a mapped address counts from the start of its 128 bits.
  const isMapped = address.includes(":") && parsed.kind() === "ipv4";
  const length = isMapped ? Number(bits) - 96 : Number(bits);
  return length >= 0 && length <= maxBits ? [parsed, length] : undefined;
}

/** Whether the address lies in one of the ranges. */
export function isInRanges(text: string, ranges: readonly AddressRange[]): boolean {
  if (!isAddress(text)) return false;
  const address = ipaddr.process(text);
  return ranges.some(([base, bits]) => address.kind() === base.kind() && address.match(base, bits));
}

function isAddress(text: string): boolean {
  // Shorter forms such as "10.1" are addresses to the library, but not to anybody who writes a list.
  return text.includes(":")
    ? ipaddr.IPv6.isValid(text) && !text.includes("%")
    : ipaddr.IPv4.isValidFourPartDecimal(text);
}
