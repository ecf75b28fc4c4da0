import { readFileSync } from "node:fs";

/**
 * The atomic operations, one file each. `keys`: how many KEYS it takes; null: the call says so.
 * With a fixed number the client knows which key to route by, so that calls can share a pipeline.
 */
const SCRIPTS = {
  append: { keys: null },
  restore: { keys: 5 },
  "open-streams": { keys: 1 },
  "forget-open": { keys: 2 },
  "recent-streams": { keys: 2 },
  "read-page": { keys: 2 },
  "request-cancel": { keys: 1 },
  "seed-checkpoint": { keys: 1 },
  "replace-checkpoint": { keys: 1 },
  "lease-renew": { keys: 2 },
  "lease-release": { keys: 1 },
  "members-announce": { keys: 1 },
  "replace-record": { keys: 1 },
  "take-quota": { keys: 1 },
} satisfies Record<string, { keys: number | null }>;

export type ScriptName = keyof typeof SCRIPTS;

/** The client's name for a script: its method is called so. */
export const commandName = (script: ScriptName): string => `sluice:${script}`;

/** All scripts, by the client's name for them. */
export const SCRIPT_COMMANDS = Object.keys(SCRIPTS).map((script) => commandName(script as ScriptName));

/** Scripts that stay out of shared pipelines, by the client's name for them. */
export const UNPIPELINED_COMMANDS = Object.entries(SCRIPTS)
  .filter(([, { keys }]) => keys === null)
  .map(([script]) => commandName(script as ScriptName));

/**
 * Answers with up to a page of chunks, by the client's name for it. Out of shared pipelines, too: the client sends one
 * pipeline at a time, so that the small calls would wait for megabytes.
 */
export const BULK_READ_COMMAND = commandName("read-page");

/** Reads every script's file. Synchronous: once, at start. */
export function loadScripts(): Record<string, { lua: string; numberOfKeys?: number }> {
  return Object.fromEntries(
    Object.entries(SCRIPTS).map(([script, { keys }]) => {
      const lua = readFileSync(new URL(`./scripts/${script}.lua`, import.meta.url), "utf8");
      return [commandName(script as ScriptName), keys === null ? { lua } : { lua, numberOfKeys: keys }];
    }),
  );
}
