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
  /** Answers to a request that succeeds, by status. */
  readonly answers: Readonly<Record<number, Answer>>;
  /** Codes of its refusals, besides those of every request. */
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
  /** Schemas by content type. A line's, where the type is of lines. */
  readonly content: Readonly<Record<string, SchemaName>>;
}

export interface Answer {
  readonly description: string;
  /** Schemas by content type, as for a body; null: text that no schema describes. */
  readonly content?: Readonly<Record<string, SchemaName | null>>;
  readonly headers?: Readonly<Record<string, string>>;
}
