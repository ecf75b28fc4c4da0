/**
 * Prints `.env.example` from the settings tables of all services: `npm run env-example`.
 * A test holds the committed file to it.
 */
import { realpathSync } from "node:fs";
import { oldNameOf } from "@sluice/runtime";
import type { z } from "zod";
import { defaultsOf, SERVICE_CATALOG, type CatalogEntry } from "./service-catalog.ts";

const WIDTH = 120;

const HEAD = [
  "All settings of all services, with their defaults. Printed by `npm run env-example` from the tables in " +
    "services/*/src/config.ts; do not edit. The defaults suit `npm start`.",
  "",
  "This is a reference, not a file to copy: some names are in several sections, with another value in each " +
    "(ADMIN_PORT, DRAIN_TIMEOUT_MS). `docker compose` reads a file `.env` for LOG_LEVEL, EDGE_URL and OPENAI_*.",
  "",
  "An empty variable counts as unset. NAME_FILE in place of NAME gives the path of a file that holds the value; use " +
    "it for secrets. Names end with their unit: _MS, _SECONDS, _BYTES.",
];

export function envExample(catalog: ReadonlyMap<string, CatalogEntry> = SERVICE_CATALOG): string {
  const sections = [...catalog].map(([service, entry]) =>
    [`# ---- ${service} `.padEnd(WIDTH, "-"), "", ...settingLines(service, entry)].join("\n"),
  );
  return `${[HEAD.flatMap(comment).join("\n"), ...sections].join("\n\n")}\n`;
}

function settingLines(service: string, entry: CatalogEntry): string[] {
  return [...defaultsOf(entry)].flatMap(([name, value]) => {
    const { description } = entry.schema.shape[name] as z.ZodType;
    if (description === undefined) throw new Error(`${name} of ${service} has no description`);
    const oldName = oldNameOf(entry.schema.shape[name]);
    const renamed = oldName === undefined ? "" : ` Formerly ${oldName}, which this version still reads.`;
    return [...comment(description + renamed), `#${name}=${value}`];
  });
}

/** Wraps a text into comment lines. */
function comment(text: string): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const last = lines.at(-1) ?? "";
    if (`# ${last} ${word}`.length > WIDTH) lines.push(word);
    else lines[lines.length - 1] = last === "" ? word : `${last} ${word}`;
  }
  return lines.map((line) => (line === "" ? "#" : `# ${line}`));
}

// Not `import.meta.main`, which came after Node 24.0.
if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === import.meta.filename)
  process.stdout.write(envExample());
