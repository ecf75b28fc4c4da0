import { readFileSync } from "node:fs";
import type { Logger } from "pino";
import { z } from "zod";

/** Settings that can't be used. The message lists every problem, one a line, so that one start shows them all. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** `KEEP_ALIVE_INTERVAL_MS` becomes `keepAliveIntervalMs`. */
type CamelCase<Name extends string> = Name extends `${infer Word}_${infer Rest}`
  ? `${Lowercase<Word>}${Capitalize<CamelCase<Rest>>}`
  : Lowercase<Name>;

/** The values of a settings table, by the camel-case form of their variables' names. */
export type Settings<Table extends z.ZodObject> = Readonly<{
  [Name in keyof z.output<Table> & string as CamelCase<Name>]: z.output<Table>[Name];
}>;

/** A variable that was given by its old name. */
export interface RenamedSetting {
  readonly oldName: string;
  readonly name: string;
  /** True if both names are given: the new one counts. */
  readonly isIgnored: boolean;
}

/**
 * Reads a service's settings from the environment, once, frozen.
 * `NAME_FILE` gives the path of a file that holds the value (for secrets); an empty variable counts as unset.
 * A setting whose `meta({ oldName })` names its former variable is also read by that name.
 *
 * @param onRenamed is called for each variable that is given by its old name
 * @throws ConfigError with all problems
 */
export function loadConfig<Table extends z.ZodObject>(
  table: Table,
  env: Readonly<Record<string, string | undefined>>,
  onRenamed: (setting: RenamedSetting) => void = () => {},
): Settings<Table> {
  const problems: string[] = [];
  const valueOf = (name: string): string | undefined => {
    const value = env[name];
    if (value !== undefined && value !== "") return value;
    const path = env[`${name}_FILE`];
    if (path === undefined || path === "") return undefined;
    try {
      return readFileSync(path, "utf8").trimEnd();
    } catch (error) {
      problems.push(`${name}_FILE: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  };
  const values: Record<string, string> = {};
  const spelling = new Map<PropertyKey, string>();
  for (const [name, field] of Object.entries(table.shape)) {
    let value = valueOf(name);
    const oldName = oldNameOf(field);
    const oldValue = oldName === undefined ? undefined : valueOf(oldName);
    if (oldName !== undefined && oldValue !== undefined) {
      onRenamed({ oldName, name, isIgnored: value !== undefined });
      if (value === undefined) spelling.set(name, `${name} (given as ${oldName})`);
      value ??= oldValue;
    }
    if (value !== undefined) values[name] = value;
  }
  const parsed = table.safeParse(values);
  for (const { path, message } of parsed.error?.issues ?? []) {
    const name = path[0] ?? "settings";
    problems.push(`${spelling.get(name) ?? String(name)}: ${message}`);
  }
  if (!parsed.success || problems.length > 0) {
    throw new ConfigError(`invalid settings\n${problems.map((problem) => `  ${problem}`).join("\n")}`);
  }
  return camelCased<Table>(parsed.data);
}

/** Warns of each variable that was given by its old name. */
export function warnRenamed(logger: Pick<Logger, "warn">, settings: readonly RenamedSetting[]): void {
  for (const { oldName, name, isIgnored } of settings) {
    logger.warn(
      { oldName, name, isIgnored },
      isIgnored
        ? "a setting is given by its old and its new name: the new one counts"
        : "a setting is given by its old name, which the next version won't read: use the new one",
    );
  }
}

/** The settings of a service that is given none; a test or an embedder spreads its own values over them. */
export function defaultSettings<Table extends z.ZodObject>(table: Table): Settings<Table> {
  return camelCased<Table>(table.parse({}));
}

/** The variable's name before it was renamed; it is read for one version. */
export function oldNameOf(field: unknown): string | undefined {
  const oldName = (field as z.ZodType).meta()?.["oldName"];
  return typeof oldName === "string" ? oldName : undefined;
}

function camelCased<Table extends z.ZodObject>(values: z.output<Table>): Settings<Table> {
  const entries = Object.entries(values).map(([name, value]) => [
    name.toLowerCase().replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase()),
    value,
  ]);
  return Object.freeze(Object.fromEntries(entries)) as Settings<Table>;
}

/** Longest delay of a timer, ms (24.8 days). Node fires a timer with a longer one at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

// 68 years. Beyond it, a log age in nanoseconds and a Redis expiry in milliseconds come near the end of 64 bits.
const MAX_SECONDS = 2 ** 31 - 1;

interface Bounds {
  /** Default: 1. */
  readonly min?: number;
}

const integer = (fallback: number, { min = 1 }: Bounds = {}) =>
  z.coerce.number().int().min(min).default(fallback);

/** Constructors of a settings table's fields: each has a default, and bounds where the kind has some. */
export const field = {
  text: (fallback: string) => z.string().default(fallback),
  optionalText: () => z.string().optional(),
  httpUrl: (fallback: string) => z.url({ protocol: /^https?$/ }).default(fallback),
  optionalHttpUrl: () => z.url({ protocol: /^https?$/ }).optional(),
  port: (fallback: number) => z.coerce.number().int().min(0).max(65_535).default(fallback),
  /** A duration, at most `MAX_TIMER_MS`. */
  milliseconds: (fallback: number, { min = 1 }: Bounds = {}) =>
    z.coerce
      .number()
      .int()
      .min(min)
      .max(MAX_TIMER_MS, `must be at most ${MAX_TIMER_MS} ms (24.8 days): a timer can't wait longer`)
      .default(fallback),
  /** A duration that no timer waits for, such as an age. */
  seconds: (fallback: number) => z.coerce.number().int().min(1).max(MAX_SECONDS).default(fallback),
  bytes: (fallback: number) => integer(fallback),
  count: integer,
  /** A number of things a second; 0: without a limit. */
  perSecond: (fallback: number) => z.coerce.number().min(0).default(fallback),
  ratio: (fallback: number) => z.coerce.number().min(0).max(1).default(fallback),
  boolean: (fallback: boolean) =>
    z
      .enum(["true", "false", "1", "0"])
      .default(fallback ? "true" : "false")
      .transform((value) => value === "true" || value === "1"),

  // Settings of several services, with their descriptions.
  natsUrl: () =>
    z
      .string()
      .default("nats://127.0.0.1:4222")
      .describe(
        "NATS servers, comma separated. Credentials go before the first host: user:password@ or token@.",
      ),
  redisUrl: () =>
    z
      .string()
      .default("redis://127.0.0.1:6379")
      .describe(
        "Redis: redis://, rediss:// for TLS, redis+cluster://a:1,b:1 or redis+sentinel://a:1,b:1/master.",
      ),
  logLevel: () =>
    z
      .enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"])
      .default("info")
      .describe("trace, debug, info, warn, error, fatal or silent."),
  adminHost: () =>
    z
      .string()
      .default("127.0.0.1")
      .describe("Address of /healthz, /readyz and /metrics. Set 0.0.0.0 if other hosts probe or scrape it."),
  adminPort: (fallback: number) => field.port(fallback).describe("Port of /healthz, /readyz and /metrics."),
};
