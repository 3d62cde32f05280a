/** Which addresses of the network a server may be sent to by its callers. */

import { BlockList, isIP } from "node:net";

/** Not of the public Internet, by the registries of special-purpose addresses (RFC 6890 and its successors). */
const blocked4: readonly (readonly [string, number])[] = [
  ["0.0.0.0", 8], // this network
  ["10.0.0.0", 8],
  ["100.64.0.0", 10], // carriers' own
  ["127.0.0.0", 8],
  ["169.254.0.0", 16], // link-local, cloud metadata
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
];

/** Parts of 2000::/3, outside of which no IPv6 address is public: Teredo, documentation, 6to4. */
const blocked6: readonly (readonly [string, number])[] = [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
];

const blocked = new BlockList();
for (const [network, prefix] of blocked4) blocked.addSubnet(network, prefix, "ipv4");
for (const [network, prefix] of blocked6) blocked.addSubnet(network, prefix, "ipv6");

const publicRange6 = new BlockList();
publicRange6.addSubnet("2000::", 3, "ipv6");

/** Whether an IP address is one of the public Internet; IPv6 forms of IPv4 addresses are not. */
export function isPublicAddress(address: string): boolean {
  const version = isIP(address);
  if (version === 4) return !blocked.check(address, "ipv4");
  return version === 6 && publicRange6.check(address, "ipv6") && !blocked.check(address, "ipv6");
}
