import { z } from "zod";
import { splitList } from "./allowed-hosts.ts";
import { field, type Settings } from "./config.ts";
import type { HttpLimits } from "./http-limits.ts";

/** Settings of a server that clients and browsers connect to; part of a service's table. */
export const httpSettings = ({ maxSockets }: { maxSockets: number }) => ({
  HOST: field
    .text("127.0.0.1")
    .describe(
      "Address that clients connect to. 0.0.0.0 opens the port to other machines: without authentication, everybody " +
        "who reaches it may do everything. The image sets 0.0.0.0.",
    ),
  ALLOWED_HOSTS: field
    .text("")
    .describe(
      "Host names by which clients reach the server (app.example.com, *.example.com), comma separated; requests that " +
        "name another one get 421, so that no web page reaches it by DNS rebinding. Addresses and localhost need no " +
        "mention; on a loopback HOST only loopback addresses count. *: any name. Empty: this machine's name, and names without a dot.",
    ),
  CORS_ORIGINS: corsOrigins(),
  CORS_HEADERS: field
    .text("")
    .describe("More headers that such pages may send, beside those of Sluice's clients and of tracing."),
  TRUSTED_PROXIES: field
    .count(0, { min: 0 })
    .describe("Number of reverse proxies in front whose X-Forwarded-For is believed."),
  MAX_SOCKETS: field
    .count(maxSockets)
    .describe("Most open sockets, whatever they are at; one more gets 503 and is closed."),
  MAX_SOCKETS_PER_ADDRESS: field
    .count(maxSockets / 2, { min: 0 })
    .describe(
      "Most open sockets of one address (IPv6: one /64), which get 429; an office behind one address is one. 0: no " +
        "limit. With TRUSTED_PROXIES there is none: all sockets are the proxies'.",
    ),
  HEADERS_TIMEOUT_MS: field
    .milliseconds(10_000)
    .describe("Longest time that a new connection may take to send a request's headers."),
  SOCKET_IDLE_TIMEOUT_MS: field
    .milliseconds(75_000)
    .describe(
      "A socket is closed after this long between two requests. Must be above the idle time of balancers in front, or " +
        "they send requests into sockets that are being closed.",
    ),
});

// Values of CORS_ANY_ORIGIN, the setting that this one was at the gateway.
const FORMER_VALUES: Readonly<Record<string, string>> = { true: "*", 1: "*", false: "", 0: "" };

/** A list of origins as browsers send them; `*` may be among them. */
export function corsOrigins() {
  return z
    .string()
    .transform((text) => FORMER_VALUES[text] ?? text)
    .refine((text) => splitList(text).every((entry) => entry === "*" || isOrigin(entry)), {
      error:
        "must be *, or origins such as https://app.example.com: scheme, host, and the port if there is one",
    })
    .default("*")
    .describe(
      "Origins (https://app.example.com) whose pages may read and write, with cookies, comma separated. *: all others " +
        "may read, and only that. Empty: only the server's own pages. The same value suits edge and gateway.",
    );
}

function isOrigin(text: string): boolean {
  const url = URL.parse(text);
  return (
    url !== null && /^https?:$/.test(url.protocol) && url.origin === text.replace(/\/$/, "").toLowerCase()
  );
}

export type HttpSettings = Settings<z.ZodObject<ReturnType<typeof httpSettings>>>;

/** Longest time without a byte in either direction, while a request waits for log, ingest or worker. */
const STALL_TIMEOUT_MS = 60_000;

/** Derives what `listen` takes from a service's settings. @param longestWaitMs how long a request may wait for its answer */
export function httpServerOptions(
  settings: HttpSettings,
  longestWaitMs: number,
): { allowedHosts: string; limits: HttpLimits } {
  return {
    allowedHosts: settings.allowedHosts,
    limits: {
      maxSockets: settings.maxSockets,
      maxSocketsPerAddress: settings.trustedProxies > 0 ? 0 : settings.maxSocketsPerAddress,
      headersTimeoutMs: settings.headersTimeoutMs,
      idleTimeoutMs: settings.socketIdleTimeoutMs,
      stallTimeoutMs: STALL_TIMEOUT_MS + longestWaitMs,
    },
  };
}
