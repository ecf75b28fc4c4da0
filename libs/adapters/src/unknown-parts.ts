import type { JsonValue } from "@sluice/core";

// Without these a server that makes up names, or sends large parts, fills the log.
const MAX_NAMES = 100;
const MAX_CHARACTERS = 2_000;

/** Parts of answers that could not be read, of one process: all are counted, and each kind is logged once. */
export class UnknownParts {
  readonly #count: () => void;
  readonly #logged = new Set<string>();

  constructor(count: () => void) {
    this.#count = count;
  }

  /** @param log hears of the first part of each name, up to 100 names; its JSON up to 2,000 characters */
  heard(
    part: { name: string; original: JsonValue },
    log: (part: { name: string; part: string }) => void,
  ): void {
    this.#count();
    if (this.#logged.has(part.name) || this.#logged.size >= MAX_NAMES) return;
    this.#logged.add(part.name);
    log({ name: part.name, part: JSON.stringify(part.original).slice(0, MAX_CHARACTERS) });
  }
}
