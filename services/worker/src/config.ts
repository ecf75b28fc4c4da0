import { field, type Settings } from "@sluice/runtime";
import { z } from "zod";

/** The worker's settings: the one place of their names, defaults and meanings. `.env.example` is printed from it. */
export const workerConfigSchema = z
  .object({
    NATS_URL: field.natsUrl(),
    ADMIN_HOST: field.adminHost(),
    ADMIN_PORT: field.adminPort(9094),
    LOG_LEVEL: field.logLevel(),
    OPENAI_BASE_URL: field
      .optionalHttpUrl()
      .describe(
        "A server with OpenAI's API, such as https://api.openai.com/v1. Empty: a built-in model reads the " +
          "repository's documents out.",
      ),
    OPENAI_API_KEY: field.optionalText().describe("Key for that server, if it needs one."),
    OPENAI_MODEL: field.optionalText().describe("Model of that server; required with OPENAI_BASE_URL."),
    OPENAI_IDLE_TIMEOUT_MS: field.milliseconds(60_000).describe("Longest silence of that server."),
    OPENAI_OMITTED_FIELDS: field
      .text("")
      .describe(
        "Fields of requests that it is never sent, comma separated. Optional ones that it refuses, such as " +
          "stream_options, are left out after the first refusal without being named here.",
      ),
    TOKENS_PER_SECOND: field.perSecond(50).describe("Pace of the built-in model. 0: as fast as possible."),
    BEAT_INTERVAL_MS: field
      .milliseconds(5_000)
      .describe(
        "Interval at which each running answer says that its worker lives. Three missed beats end it (PRODUCER_LOST).",
      ),
    MAX_CONCURRENT_ANSWERS: field
      .count(100)
      .describe(
        "Answers streamed at once; more prompts are refused with OVERLOADED, for other workers to take.",
      ),
    DRAIN_TIMEOUT_MS: field
      .milliseconds(20_000, { min: 0 })
      .describe("Time that running answers may take to end after SIGTERM."),
    STOP_TIMEOUT_MS: field
      .milliseconds(3_000)
      .describe("Time that the remaining answers may then take to write their Error chunk."),
  })
  .refine((values) => values.OPENAI_BASE_URL === undefined || values.OPENAI_MODEL !== undefined, {
    path: ["OPENAI_MODEL"],
    error: "is required with OPENAI_BASE_URL",
  })
  .refine((values) => values.OPENAI_BASE_URL !== undefined || values.OPENAI_API_KEY === undefined, {
    path: ["OPENAI_BASE_URL"],
    error: "is required with OPENAI_API_KEY (https://api.openai.com/v1 for OpenAI itself)",
  });

export type WorkerSettings = Settings<typeof workerConfigSchema>;
