/** Where Redis is, as REDIS_URL tells it. */
export interface RedisLocation {
  kind: "single" | "cluster" | "sentinel";
  /** Servers, cluster nodes to ask first, or sentinels. */
  nodes: readonly { host: string; port: number }[];
  username: string | null;
  password: string | null;
  usesTls: boolean;
  /** `single` and `sentinel` only. */
  database: number;
  /** The name that the sentinels know the master by; `sentinel` only. */
  masterName: string | null;
}

const SCHEMES = /^(rediss?)(?:\+(cluster|sentinel))?:\/\/(?:([^@/]*)@)?([^/?@]+)(?:\/([^?]*))?$/;

/**
 * Reads one of
 * `redis://[user:password@]host:port[/database]`,
 * `redis+cluster://[user:password@]host:port,host:port`, or the same without `+cluster` where it lists several hosts,
 * `redis+sentinel://[user:password@]host:port,host:port/masterName[/database]`;
 * `rediss` in place of `redis` for TLS.
 * @throws Error that says what is wrong, without the password
 */
export function parseRedisUrl(url: string): RedisLocation {
  // A list may repeat the scheme: `redis://a:1,redis://b:1`.
  const [, scheme, variant, userInfo, hosts, path] =
    SCHEMES.exec(url.replaceAll(/,\s*rediss?:\/\//g, ",")) ?? [];
  if (hosts === undefined) {
    throw new Error(
      "a Redis URL begins with redis://, rediss://, redis+cluster:// or redis+sentinel:// and names a host",
    );
  }
  const nodes = hosts.split(",").map((node) => parseNode(node.trim(), variant === "sentinel" ? 26379 : 6379));
  const kind =
    variant === "sentinel" ? "sentinel" : variant === "cluster" || nodes.length > 1 ? "cluster" : "single";
  const [first = "", second = ""] = (path ?? "").split("/");
  if (kind === "sentinel" && first === "") {
    throw new Error("redis+sentinel:// needs the master's name: redis+sentinel://host:port/name");
  }
  const { username, password } = parseUserInfo(userInfo ?? "");
  return {
    kind,
    nodes,
    username,
    password,
    usesTls: scheme === "rediss",
    database: kind === "cluster" ? 0 : parseDatabase(kind === "sentinel" ? second : first),
    masterName: kind === "sentinel" ? first : null,
  };
}

function parseNode(node: string, defaultPort: number): { host: string; port: number } {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(node) ?? [];
  const host = bracketed ?? plain;
  const port = digits === undefined ? defaultPort : Number(digits);
  if (host === undefined || port < 1 || port > 65_535)
    throw new Error(`"${node}" in the Redis URL is no host:port`);
  return { host, port };
}

function parseUserInfo(userInfo: string): { username: string | null; password: string | null } {
  const colon = userInfo.indexOf(":");
  const username = decodeURIComponent(colon < 0 ? userInfo : userInfo.slice(0, colon));
  const password = colon < 0 ? "" : decodeURIComponent(userInfo.slice(colon + 1));
  return { username: username || null, password: password || null };
}

function parseDatabase(text: string): number {
  if (!/^\d{0,4}$/.test(text)) throw new Error(`"${text}" in the Redis URL is no database number`);
  return Number(text);
}
