import type { IncomingMessage } from "node:http";
import { isIP, isIPv4 } from "node:net";
import { hostname } from "node:os";
import { StreamError } from "@sluice/core";

/** Why a request is refused for the host that it names; null: it isn't. */
export type HostCheck = (request: IncomingMessage) => StreamError | null;

const NAME = /^([a-z0-9_-]+\.)*[a-z0-9_-]+\.?$/;
const BARE_NAME = /^[a-z][a-z0-9_-]*$/;
const AUTHORITY = /^(?<host>\[[0-9a-f:.]+\]|[^:[\]]+)(?::(?<port>\d{0,5}))?$/;
const MAX_PORT = 65_535;

/**
 * Ends DNS rebinding: a page whose name was made to lead here sends that name as `Host`, and no browser lets it send
 * another one. So addresses need no mention, nor does `localhost`, which leads nowhere else; any other name does.
 * @param allowed names (`app.example.com`, `*.example.com`, with a port or for all), separated by commas; `*`: all; empty:
 * names without a dot, such as a container's, which public DNS doesn't have; and the name of this machine, but not where
 * only this machine can connect
 * @param bindAddress the address that the server listens on: on a loopback one no other address is believed
 */
export function createHostCheck(allowed: string, bindAddress: string): HostCheck {
  const isLocal = isLoopback(bindAddress);
  const fallback = isLocal ? [] : [hostname().toLowerCase()];
  const isUnset = allowed.trim() === "";
  const listed = isUnset ? fallback : splitList(allowed.toLowerCase());
  if (listed.includes("*")) return () => null;
  const names = new Set(listed.map((entry) => entry.replace(/^\[(.+)\]$/, "$1").replace(/\.$/, "")));

  const isAllowed = ({ host, port }: Authority): boolean => {
    if (isIP(host) !== 0 && (!isLocal || isLoopback(host))) return true;
    if (host === "localhost" || host.endsWith(".localhost")) return true;
    if (isUnset && BARE_NAME.test(host)) return true;
    const parents = host.split(".").map((_label, index, labels) => `*.${labels.slice(index + 1).join(".")}`);
    return [host, ...parents].some((name) => names.has(name) || names.has(`${name}:${port}`));
  };
  return (request) => {
    const authorities = authoritiesOf(request);
    if (typeof authorities === "string") return new StreamError("INVALID_REQUEST", authorities);
    const foreign = authorities.find((authority) => !isAllowed(authority));
    if (foreign === undefined) return null;
    const detail = `this server does not serve the host ${foreign.host}: its operator can add it to ALLOWED_HOSTS`;
    return new StreamError("MISDIRECTED", detail);
  };
}

/** Whether only this machine can connect to the address. */
export function isLoopback(address: string): boolean {
  const host = address.toLowerCase().replace(/^\[(.+)\]$/, "$1");
  if (host === "localhost") return true;
  if (isIPv4(host)) return host.startsWith("127.");
  return host === "::1" || host.startsWith("::ffff:127.") || /^(0+:){7}0*1$/.test(host);
}

/** Entries of a setting that is a list. */
export function splitList(text: string): string[] {
  return text.split(/[\s,]+/).filter((entry) => entry !== "");
}

interface Authority {
  /** Host in lower case, without brackets. */
  host: string;
  port: string;
}

/** The hosts that a request names: in its header, and in a target that is a whole URL. In words what is wrong with them. */
function authoritiesOf(request: IncomingMessage): Authority[] | string {
  const given = request.headersDistinct["host"] ?? [];
  if (given.length > 1) return "the request has more than one header Host";
  // Checks of balancers; browsers have never sent it.
  if (given.length === 0 && request.httpVersion === "1.0") return [];
  if (given.length === 0) return "the request has no header Host";
  const target = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(request.url ?? "")?.[1];
  const authorities: Authority[] = [];
  for (const text of target === undefined ? given : [...given, target]) {
    const authority = parseAuthority(text);
    if (authority === null) return "the host of the request is neither a name nor an address";
    authorities.push(authority);
  }
  return authorities;
}

function parseAuthority(text: string): Authority | null {
  const { host: given = "", port = "" } = AUTHORITY.exec(text.toLowerCase())?.groups ?? {};
  const host = given.startsWith("[") ? given.slice(1, -1) : given;
  const isAddress = given.startsWith("[") ? isIP(host) === 6 : isIPv4(host);
  if (!isAddress && (given.startsWith("[") || !NAME.test(host))) return null;
  if (Number(port) > MAX_PORT) return null;
  return { host: host.replace(/\.$/, ""), port };
}
