import { hostname } from "node:os";
import { pino, type Logger } from "pino";

export type { Logger } from "pino";

/**
 * JSON lines on stdout. Messages are constant, data goes into fields.
 * What could let a stranger in is redacted wherever it turns up at the first two levels.
 */
export function createLogger(service: string, level: string): Logger {
  return pino({
    level,
    base: { service, host: hostname(), pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: {
      paths: [
        "authorization",
        "apiKey",
        "password",
        "token",
        "*.authorization",
        "*.apiKey",
        "*.password",
        "*.token",
        "*.cookie",
      ],
      censor: "[redacted]",
    },
  });
}
