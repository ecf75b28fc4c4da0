import { settings } from "@sluice/runtime";
import { z } from "zod";
import type { GatewaySettings } from "./settings.ts";

/** Everything that can be set, by the name of its environment variable. */
export const gatewayConfigSchema = z.object({
  HOST: z.string().default("0.0.0.0"),
  PORT: settings.port(8081),
  ADMIN_HOST: settings.adminHost,
  ADMIN_PORT: settings.port(9081),
  NATS_URL: settings.natsUrl,
  REDIS_URL: settings.redisUrl,
  LOG_LEVEL: settings.logLevel,
  /** Where clients reach the edge; stands in the answers. */
  EDGE_URL: z.url({ protocol: /^https?$/ }).default("http://127.0.0.1:8080"),
  LOG_TIMEOUT_MS: settings.positive(4_000),
  PROMPT_TIMEOUT_MS: settings.positive(4_000),
  REBUILD_TIMEOUT_MS: settings.positive(2_000),
  UPLOAD_IDLE_TIMEOUT_MS: settings.positive(300_000),
  MAX_UPLOADS: settings.positive(1_000),
  /** Whether the routes for operators (`GET /streams`, `/control/…`) are on PORT, too, and not only on ADMIN_PORT. */
  CONTROL_ENABLED: settings.boolean(false),
  CORS_ANY_ORIGIN: settings.boolean(true),
  /** How long requests in progress may go on after SIGTERM. */
  DRAIN_TIMEOUT_MS: settings.positive(10_000),
});

export type GatewayConfig = z.output<typeof gatewayConfigSchema>;

export function settingsOf(config: GatewayConfig): GatewaySettings {
  return {
    logTimeoutMs: config.LOG_TIMEOUT_MS,
    promptTimeoutMs: config.PROMPT_TIMEOUT_MS,
    rebuildTimeoutMs: config.REBUILD_TIMEOUT_MS,
    uploadIdleTimeoutMs: config.UPLOAD_IDLE_TIMEOUT_MS,
    maxUploads: config.MAX_UPLOADS,
    allowAnyOrigin: config.CORS_ANY_ORIGIN,
  };
}
