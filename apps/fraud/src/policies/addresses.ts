import ipaddr from "ipaddr.js";

/** The first and last address of a range, each as a text that sorts as addresses do. */
export type AddressRange = readonly [first: string, last: string];

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
  if (bits === undefined) return rangeOf(parsed.toByteArray(), maxBits);
  if (!/^\d{1,3}$/.test(bits)) return undefined;
  // The prefix of a mapped address counts from the start of its 128 bits.
  const isMapped = address.includes(":") && parsed.kind() === "ipv4";
  const length = isMapped ? Number(bits) - 96 : Number(bits);
  return length >= 0 && length <= maxBits ? rangeOf(parsed.toByteArray(), length) : undefined;
}

/** The address as a text that sorts as addresses do; undefined when it is none. */
export function sortableAddress(text: string): string | undefined {
  return isAddress(text) ? sortable(ipaddr.process(text).toByteArray()) : undefined;
}

/**
 * Tells whether an address, in its sortable form, lies in one of the ranges. A policy may list tens of
 * thousands and be asked for each payment of a batch: they are sorted once, and looked through by halves.
 */
export function inRanges(ranges: readonly AddressRange[]): (address: string) => boolean {
  const apart: [first: string, last: string][] = [];
  for (const [first, last] of [...ranges].sort(([left], [right]) => (left < right ? -1 : 1))) {
    const before = apart.at(-1);
    if (before === undefined || first > before[1]) apart.push([first, last]);
    else if (last > before[1]) before[1] = last;
  }
  return (address) => {
    let [from, to] = [0, apart.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      // Between the two ends, so that there is one.
      const [first, last] = apart[middle] as AddressRange;
      if (address < first) to = middle;
      else if (address > last) from = middle + 1;
      else return true;
    }
    return false;
  };
}

function rangeOf(bytes: readonly number[], length: number): AddressRange {
  const kept = (index: number) => (0xff00 >> Math.min(8, Math.max(0, length - 8 * index))) & 0xff;
  return [
    sortable(bytes.map((byte, index) => byte & kept(index))),
    sortable(bytes.map((byte, index) => byte | (~kept(index) & 0xff))),
  ];
}

/** Of one length in each family; the families differ in their first character. */
function sortable(bytes: readonly number[]): string {
  return `${bytes.length === 4 ? "4" : "6"}${Buffer.from(bytes).toString("hex")}`;
}

function isAddress(text: string): boolean {
  // Shorter forms such as "10.1" are addresses to the library, but not to anybody who writes a list.
  return text.includes(":")
    ? ipaddr.IPv6.isValid(text) && !text.includes("%")
    : ipaddr.IPv4.isValidFourPartDecimal(text);
}
