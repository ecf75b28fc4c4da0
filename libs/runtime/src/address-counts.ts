import { isIP } from "node:net";

/**
 * The client that an address stands for: IPv4 as it is (also where it is mapped into IPv6), of IPv6 the network of 64
 * bits, since one client has all addresses of its network.
 */
export function clientOf(address: string): string {
  const plain = address.replace(/%.*$/, "").toLowerCase();
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(plain)?.[1];
  if (mapped !== undefined) return mapped;
  if (isIP(plain) !== 6) return plain;
  const [head = "", tail] = plain.split("::");
  const groups = head === "" ? [] : head.split(":");
  if (tail !== undefined) {
    const last = tail === "" ? [] : tail.split(":");
    while (groups.length + last.length < 8) groups.push("0");
    groups.push(...last);
  }
  const network = groups.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16));
  return `${network.join(":")}::/64`;
}

/** How much each client has of something. Clients that have nothing take no memory. */
export class AddressCounts {
  readonly #counts = new Map<string, number>();

  of(address: string): number {
    return this.#counts.get(clientOf(address)) ?? 0;
  }

  add(address: string, amount: number): void {
    const client = clientOf(address);
    const count = (this.#counts.get(client) ?? 0) + amount;
    if (count > 0) this.#counts.set(client, count);
    else this.#counts.delete(client);
  }

  /** Clients that have something. */
  get size(): number {
    return this.#counts.size;
  }
}
