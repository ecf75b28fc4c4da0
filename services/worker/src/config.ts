import { MAX_IDLE_TIMEOUT_MS } from "@sluice/adapters/openai-compatible";
import { settings } from "@sluice/runtime";
import { z } from "zod";

/** The worker's settings; keys are the environment variables. */
export const workerConfigSchema = z
  .object({
    NATS_URL: settings.natsUrl,
    ADMIN_HOST: settings.adminHost,
    ADMIN_PORT: settings.port(9094),
    LOG_LEVEL: settings.logLevel,
    /** Unset: the built-in model that reads the repository's documents. */
    OPENAI_BASE_URL: z.url({ protocol: /^https?$/ }).optional(),
    OPENAI_API_KEY: z.string().optional(),
    OPENAI_MODEL: z.string().optional(),
    /** Longest silence of the model's server, ms. */
    OPENAI_IDLE_TIMEOUT_MS: z.coerce.number().int().positive().max(MAX_IDLE_TIMEOUT_MS).default(60_000),
    /** Fields of requests that the server is never sent, separated by commas. */
    OPENAI_OMITTED_FIELDS: z.string().default(""),
    /** Pace of the built-in model; 0: as fast as possible. */
    TOKENS_PER_SECOND: z.coerce.number().min(0).default(50),
    /** How often each running answer says that its worker lives, ms; three missed ones end it as PRODUCER_LOST. */
    BEAT_INTERVAL_MS: settings.positive(5_000),
    MAX_CONCURRENT_ANSWERS: settings.positive(100),
    /** How long running answers may go on after SIGTERM, ms. */
    DRAIN_TIMEOUT_MS: settings.milliseconds(20_000),
    /** How long the rest may then take to write their end, ms. */
    STOP_TIMEOUT_MS: settings.positive(3_000),
  })
  .refine((values) => values.OPENAI_BASE_URL === undefined || values.OPENAI_MODEL !== undefined, {
    path: ["OPENAI_MODEL"],
    error: "is required with OPENAI_BASE_URL",
  })
  .refine((values) => values.OPENAI_BASE_URL !== undefined || values.OPENAI_API_KEY === undefined, {
    path: ["OPENAI_BASE_URL"],
    error: "is required with OPENAI_API_KEY (https://api.openai.com/v1 for OpenAI itself)",
  });

export type WorkerConfig = Readonly<z.output<typeof workerConfigSchema>>;
