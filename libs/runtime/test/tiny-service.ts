import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { field } from "../src/config.ts";
import { startService } from "../src/start-service.ts";

const schema = z.object({
  NATS_URL: field.natsUrl(),
  REDIS_URL: field.redisUrl(),
  LOG_LEVEL: field.logLevel(),
  ADMIN_HOST: field.adminHost(),
  ADMIN_PORT: field.adminPort(0),
  DRAIN_TIMEOUT_MS: field.milliseconds(300).meta({ oldName: "OLD_DRAIN_MS" }),
});

const say = (what: string): void => void process.stdout.write(`${JSON.stringify({ msg: what })}\n`);

/** A service whose adapters say when they are opened and closed. */
await startService(
  {
    name: "edge",
    schema,
    figures: {},
    connectNats: async ({ servers, name }) => {
      say(`opens nats ${servers} as ${name}`);
      return { isConnected: true, close: async () => say("closes nats") };
    },
    createRedis: (url, { connectionName }) => {
      say(`opens redis ${url} as ${connectionName}`);
      return { close: () => say("closes redis") };
    },
  },
  async ({ settings, lifecycle }) => {
    if (process.env["FAILS"] === "true") throw new Error("the service can't start");
    lifecycle.add("service", async () => {
      say("drains");
      await delay(settings.drainTimeoutMs);
      say("closes the service");
    });
    return {
      reports: {
        serve: () => ({ close: () => say("closes reports") }),
      },
      readiness: { mood: () => "moody" },
      about: { port: 7 },
    };
  },
);
