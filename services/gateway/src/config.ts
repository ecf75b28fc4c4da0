import { settings } from "@sluice/runtime";
import { z } from "zod";
import type { ModelServer } from "./proxy/model-server.ts";
import type { GatewaySettings } from "./settings.ts";

const fields = z.object({
  HOST: z.string().default("0.0.0.0"),
  PORT: settings.port(8081),
  ADMIN_HOST: settings.adminHost,
  ADMIN_PORT: settings.port(9081),
  NATS_URL: settings.natsUrl,
  REDIS_URL: settings.redisUrl,
  LOG_LEVEL: settings.logLevel,
  /** Where clients reach the edge; stands in the answers. */
  EDGE_URL: z.url({ protocol: /^https?$/ }).default("http://127.0.0.1:8080"),
  /** The built chat page and console; empty: they are not served. */
  WEB_ROOT: z.string().default(""),
  /** Where the pages' "kill my pod" goes; for the local launcher alone. */
  LAUNCHER_URL: z.union([z.literal(""), z.url({ protocol: /^https?$/ })]).default(""),
  LOG_TIMEOUT_MS: settings.positive(4_000),
  PROMPT_TIMEOUT_MS: settings.positive(4_000),
  REBUILD_TIMEOUT_MS: settings.positive(2_000),
  UPLOAD_IDLE_TIMEOUT_MS: settings.positive(300_000),
  MAX_UPLOADS: settings.positive(1_000),
  /** Whether the routes for operators (`GET /streams`, `/control/…`) are on PORT, too, and not only on ADMIN_PORT. */
  CONTROL_ENABLED: settings.boolean(false),
  ALLOWED_HOSTS: z.string().default(""),
  CORS_ORIGINS: z.string().default("*"),
  CORS_HEADERS: z.string().default(""),
  TRUSTED_PROXIES: z.coerce.number().int().nonnegative().default(0),
  MAX_SOCKETS: settings.positive(10_000),
  MAX_SOCKETS_PER_ADDRESS: settings.milliseconds(5_000),
  HEADERS_TIMEOUT_MS: settings.positive(10_000),
  SOCKET_IDLE_TIMEOUT_MS: settings.positive(75_000),
  /** The server that `/proxy` asks; unset: there is none. */
  OPENAI_BASE_URL: z.url({ protocol: /^https?$/ }).optional(),
  OPENAI_API_KEY: z.string().optional(),
  /** Models that may be asked for, separated by commas; unset: all that the server has. */
  OPENAI_MODELS: z.string().optional(),
  /** Longest silence of the model server, ms. */
  OPENAI_IDLE_TIMEOUT_MS: settings.positive(60_000),
  MAX_PROXIED_ANSWERS: settings.positive(200),
  /** How long requests and proxied answers in progress may go on after SIGTERM. */
  DRAIN_TIMEOUT_MS: settings.positive(10_000),
});

/** Everything that can be set, by the name of its environment variable. */
export const gatewayConfigSchema = fields.refine(
  (values) => values.OPENAI_BASE_URL !== undefined || values.OPENAI_API_KEY === undefined,
  {
    path: ["OPENAI_BASE_URL"],
    error: "is required with OPENAI_API_KEY (https://api.openai.com/v1 for OpenAI itself)",
  },
);

export type GatewayConfig = z.output<typeof gatewayConfigSchema>;

export function settingsOf(config: GatewayConfig): GatewaySettings {
  return {
    logTimeoutMs: config.LOG_TIMEOUT_MS,
    promptTimeoutMs: config.PROMPT_TIMEOUT_MS,
    rebuildTimeoutMs: config.REBUILD_TIMEOUT_MS,
    uploadIdleTimeoutMs: config.UPLOAD_IDLE_TIMEOUT_MS,
    maxUploads: config.MAX_UPLOADS,
    maxProxiedAnswers: config.MAX_PROXIED_ANSWERS,
    proxyDrainTimeoutMs: config.DRAIN_TIMEOUT_MS,
    allowedHosts: config.ALLOWED_HOSTS,
    corsOrigins: config.CORS_ORIGINS,
    corsHeaders: config.CORS_HEADERS,
    trustedProxies: config.TRUSTED_PROXIES,
    maxSockets: config.MAX_SOCKETS,
    maxSocketsPerAddress: config.MAX_SOCKETS_PER_ADDRESS,
    headersTimeoutMs: config.HEADERS_TIMEOUT_MS,
    socketIdleTimeoutMs: config.SOCKET_IDLE_TIMEOUT_MS,
  };
}

/** Null where none is set. */
export function modelServerOf(config: GatewayConfig): ModelServer | null {
  if (config.OPENAI_BASE_URL === undefined) return null;
  return {
    server: {
      baseUrl: config.OPENAI_BASE_URL,
      apiKey: config.OPENAI_API_KEY ?? null,
      idleTimeoutMs: config.OPENAI_IDLE_TIMEOUT_MS,
    },
    models: config.OPENAI_MODELS?.split(",").map((model) => model.trim()) ?? null,
  };
}
