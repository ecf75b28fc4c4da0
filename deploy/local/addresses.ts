import { hostname, networkInterfaces } from "node:os";
import { isLoopback } from "@sluice/runtime";
import type { PromisedPorts } from "./ports.ts";

/** Where edge and gateway of a launch listen, and by which names and origins browsers may come to them. */
export interface Addresses {
  /** Address that both bind to. */
  readonly host: string;
  readonly urls: { readonly edge: string; readonly gateway: string };
  /** Names in the form of ALLOWED_HOSTS. */
  readonly allowedHosts: string;
  /** Origins in the form of CORS_ORIGINS: the gateway's pages read and write at the edge, which is another origin. */
  readonly corsOrigins: string;
  /** Other machines can connect. */
  readonly isOpen: boolean;
}

/** @param environment the user's: its ALLOWED_HOSTS and CORS_ORIGINS count besides */
export function addressesOf(host: string, ports: PromisedPorts, environment: NodeJS.ProcessEnv): Addresses {
  const isOpen = !isLoopback(host);
  const reached = isWildcard(host) ? (externalAddress() ?? "127.0.0.1") : host;
  const urlOf = (name: string, port: number): string =>
    `http://${name.includes(":") ? `[${name}]` : name}:${port}`;
  const names = isOpen ? [reached, hostname(), `${hostname()}.local`] : [reached];
  const origins = ["127.0.0.1", "localhost", ...names].map((name) => urlOf(name, ports.gateway));
  const given = (name: string): string[] => (environment[name] ? [environment[name]] : []);
  return {
    host,
    urls: { edge: urlOf(reached, ports.edge), gateway: urlOf(reached, ports.gateway) },
    allowedHosts: [...(isOpen ? names : []), ...given("ALLOWED_HOSTS")].join(","),
    corsOrigins: [...new Set(["*", ...origins, ...given("CORS_ORIGINS")])].join(","),
    isOpen,
  };
}

function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

/** An address by which other machines reach this one; IPv4 first, since people type it. */
function externalAddress(): string | undefined {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const external = all.filter(({ internal, address }) => !internal && !address.startsWith("fe80:"));
  return (external.find(({ family }) => family === "IPv4") ?? external[0])?.address;
}
