import type { StreamErrorCode } from "@sluice/core";
import type { SchemaName } from "./schemas.ts";

/** One request of one service, as `document.ts` tells it. */
export interface Operation {
  readonly method: "GET" | "POST" | "DELETE";
  /** Parameters in braces. */
  readonly path: string;
  readonly id: string;
  readonly summary: string;
  readonly query?: readonly Parameter[];
  readonly headers?: readonly Parameter[];
  readonly body?: Body;
  /** What it answers where it does what was asked, by status. */
  readonly answers: Readonly<Record<number, Answer>>;
  /** With what it refuses, beside what every request can be refused with. */
  readonly problems: readonly StreamErrorCode[];
}

export interface Parameter {
  readonly name: string;
  readonly description: string;
  readonly schema: object;
  /** Given as often as there are values. */
  readonly isRepeated?: true;
  readonly isRequired?: true;
}

interface Body {
  readonly isRequired: boolean;
  /** By content type. A line's, where the type is of lines. */
  readonly content: Readonly<Record<string, SchemaName>>;
}

export interface Answer {
  readonly description: string;
  /** By content type, as for a body; null: text that no schema describes. */
  readonly content?: Readonly<Record<string, SchemaName | null>>;
  readonly headers?: Readonly<Record<string, string>>;
}
