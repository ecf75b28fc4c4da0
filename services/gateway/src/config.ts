import { fieldsIn } from "@sluice/adapters/openai-compatible";
import { corsOrigins, field, httpSettings, type Settings } from "@sluice/runtime";
import { z } from "zod";
import type { ModelServer } from "./proxy/model-server.ts";

const MIB = 1024 * 1024;

/** The gateway's settings: the one place of their names, defaults and meanings. `.env.example` is printed from it. */
export const gatewayConfigSchema = z
  .object({
    ...httpSettings({ maxSockets: 10_000 }),
    CORS_ORIGINS: corsOrigins().meta({ oldName: "CORS_ANY_ORIGIN" }),
    PORT: field.port(8081).describe("Port that producers and browsers connect to."),
    ADMIN_HOST: field.adminHost(),
    ADMIN_PORT: field.adminPort(9081),
    NATS_URL: field.natsUrl(),
    REDIS_URL: field.redisUrl(),
    LOG_LEVEL: field.logLevel(),
    EDGE_URL: field
      .httpUrl("http://127.0.0.1:8080")
      .describe(
        "Address at which clients reach the edges. It is part of answers; the gateway itself doesn't use it.",
      ),
    WEB_ROOT: field
      .text("")
      .describe("Folder of the built chat page and console (services/web/dist). Empty: they are not served."),
    LAUNCHER_URL: z
      .union([z.literal(""), z.url({ protocol: /^https?$/ })])
      .default("")
      .describe(
        'Address that the chat page\'s "kill my pod" calls. Set by npm start; leave it empty everywhere else.',
      ),
    LOG_TIMEOUT_MS: field.milliseconds(4_000).describe("Longest time that a write to the log is tried."),
    PROMPT_TIMEOUT_MS: field.milliseconds(4_000).describe("Longest wait for a worker to accept a prompt."),
    REBUILD_TIMEOUT_MS: field
      .milliseconds(2_000)
      .describe("Longest wait for ingest to bring a stream back from the log."),
    BODY_TIMEOUT_MS: field
      .milliseconds(30_000)
      .describe("Longest time that a body of JSON, or one line of an upload, may take to arrive; then 408."),
    MIN_BODY_BYTES_PER_SECOND: field
      .count(256, { min: 0 })
      .describe("The same for one that after 10 s has arrived more slowly on average. 0: no bound."),
    MAX_HELD_BODY_BYTES: field
      .bytes(64 * MIB)
      .describe("Most memory for the bodies of all requests in progress; more are refused with OVERLOADED."),
    MAX_HELD_BODY_BYTES_PER_ADDRESS: field
      .bytes(16 * MIB)
      .describe("Most of it for one address (IPv6: one /64); more are refused with TOO_MANY_REQUESTS."),
    PROXY_MAX_BODY_BYTES: field
      .bytes(MIB)
      .describe(
        "Largest body of POST /streams/:id/proxy. More where pictures are part of what models are asked.",
      ),
    UPLOAD_IDLE_TIMEOUT_MS: field
      .milliseconds(300_000)
      .describe("An upload that sends nothing for this long is ended with 408."),
    MAX_UPLOADS: field
      .count(1_000)
      .describe("Most appends that may be open at once; more are refused with OVERLOADED."),
    MAX_RECORDS_PER_CLIENT: field
      .count(100_000, { min: 0 })
      .describe(
        "Most streams that one client (address; of IPv6 its /64) may create within CLIENT_QUOTA_WINDOW_SECONDS; more " +
          "are refused with QUOTA_EXCEEDED. The same for requests with an Idempotency-Key. Behind a proxy all clients " +
          "are one without TRUSTED_PROXIES. 0: no limit.",
      ),
    MAX_RECORD_BYTES_PER_CLIENT: field
      .count(64 * 1024 ** 2, { min: 0 })
      .describe("The same for the bytes that these records take in Redis. 0: no limit."),
    CLIENT_QUOTA_WINDOW_SECONDS: field
      .seconds(86_400)
      .describe("Time within which a client that has used all of its quota gets all of it back, evenly."),
    MAX_UPLOADS_PER_ADDRESS: field
      .count(500)
      .describe("Most of them from one address (IPv6: one /64); more are refused with TOO_MANY_REQUESTS."),
    CONTROL_ENABLED: field
      .boolean(false)
      .describe(
        "Whether the routes for operators (GET /streams, /control/...), and so the console's data, are also served " +
          "on PORT, to everybody who reaches it. ADMIN_PORT always serves them. npm start and docker compose set it.",
      ),
    OPENAI_BASE_URL: field
      .optionalHttpUrl()
      .describe(
        "A server with OpenAI's API, such as https://api.openai.com/v1, that POST /streams/:id/proxy asks. Empty: the " +
          "route refuses.",
      ),
    OPENAI_API_KEY: field
      .optionalText()
      .describe("Key for that server. Everybody who reaches PORT can have requests made with it."),
    OPENAI_MODELS: field
      .optionalText()
      .describe("Models that may be asked for, comma separated. Empty: all models of the server."),
    PROXY_MAX_TOKENS: field
      .count(16_384)
      .describe(
        "Most tokens of an answer that a request may name (max_tokens, max_completion_tokens). One that names none is " +
          "bounded by the model itself.",
      ),
    PROXY_EXTRA_FIELDS: field
      .text("")
      .describe(
        "Fields of requests that are handed on to that server besides those of OpenAI's chat completion that change " +
          "neither price nor storage, comma separated. Others are refused.",
      ),
    OPENAI_IDLE_TIMEOUT_MS: field.milliseconds(60_000).describe("Longest silence of that server."),
    OPENAI_OMITTED_FIELDS: field
      .text("")
      .describe(
        "Fields of requests that it is never sent, comma separated. Optional ones that it refuses, such as " +
          "stream_options, are left out after the first refusal without being named here.",
      ),
    MAX_PROXIED_ANSWERS: field
      .count(200)
      .describe("Most of its answers in progress at once; more are refused with OVERLOADED."),
    DRAIN_TIMEOUT_MS: field
      .milliseconds(10_000)
      .describe("Time that requests and proxied answers in progress may take to end after SIGTERM."),
  })
  .refine((values) => values.OPENAI_BASE_URL !== undefined || values.OPENAI_API_KEY === undefined, {
    path: ["OPENAI_BASE_URL"],
    error: "is required with OPENAI_API_KEY (https://api.openai.com/v1 for OpenAI itself)",
  });

export type GatewaySettings = Settings<typeof gatewayConfigSchema>;

/** The model server that the settings name, or null. */
export function modelServerOf(settings: GatewaySettings): ModelServer | null {
  if (settings.openaiBaseUrl === undefined) return null;
  return {
    server: {
      baseUrl: settings.openaiBaseUrl,
      apiKey: settings.openaiApiKey ?? null,
      idleTimeoutMs: settings.openaiIdleTimeoutMs,
      omittedFields: fieldsIn(settings.openaiOmittedFields),
    },
    models: settings.openaiModels?.split(",").map((model) => model.trim()) ?? null,
    limits: {
      maxTokens: settings.proxyMaxTokens,
      extraFields: settings.proxyExtraFields.split(",").map((name) => name.trim()),
    },
  };
}
