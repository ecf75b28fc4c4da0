import { readFileSync } from "node:fs";
import { z } from "zod";

/** Settings that don't hold together. Its message lists every problem, one a line, so that one boot tells them all. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/**
 * Reads settings from the environment, once, frozen. Keys are the variables' names.
 * `NAME_FILE` gives a variable by the file that holds it (secrets); an empty variable counts as unset.
 * @throws ConfigError with all problems
 */
export function loadConfig<T extends z.ZodType>(
  schema: T,
  env: Readonly<Record<string, string | undefined>>,
): Readonly<z.output<T>> {
  const problems: string[] = [];
  const values: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined && value !== "") values[name] = value;
  }
  for (const [name, path] of Object.entries(values)) {
    const target = name.endsWith("_FILE") ? name.slice(0, -"_FILE".length) : "";
    if (!(target in shapeOf(schema)) || target in values) continue;
    try {
      values[target] = readFileSync(path, "utf8").trimEnd();
    } catch (error) {
      problems.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  const parsed = schema.safeParse(values);
  for (const issue of parsed.error?.issues ?? [])
    problems.push(`${issue.path.join(".") || "settings"}: ${issue.message}`);
  if (!parsed.success || problems.length > 0) {
    throw new ConfigError(`invalid settings\n${problems.map((problem) => `  ${problem}`).join("\n")}`);
  }
  return Object.freeze(parsed.data);
}

function shapeOf(schema: z.ZodType): object {
  return schema instanceof z.ZodObject ? schema.shape : {};
}

/** Fields for settings that several services share. */
export const settings = {
  port: (fallback: number) => z.coerce.number().int().min(0).max(65_535).default(fallback),
  milliseconds: (fallback: number) => z.coerce.number().int().nonnegative().default(fallback),
  positive: (fallback: number) => z.coerce.number().int().positive().default(fallback),
  ratio: (fallback: number) => z.coerce.number().min(0).max(1).default(fallback),
  boolean: (fallback: boolean) =>
    z
      .enum(["true", "false", "1", "0"])
      .default(fallback ? "true" : "false")
      .transform((value) => value === "true" || value === "1"),
  natsUrl: z.string().default("nats://127.0.0.1:4222"),
  redisUrl: z.string().default("redis://127.0.0.1:6379"),
  logLevel: z.enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"]).default("info"),
  adminHost: z.string().default("127.0.0.1"),
};
