import type { JsonValue } from "@sluice/core";
import { isText, parseJson, toJson } from "./json-value.ts";

// Without this bound arguments without end fill the heap. The deltas are all sent; only their sum is not kept.
export const MAX_ARGUMENT_CHARACTERS = 256 * 1024;

/** Report of a library or a server on a call. Every member may be absent, empty, repeated or changed. */
export interface CallPiece {
  /** Names by which the call goes while it is written, the surest first: its id, the item's. */
  ids?: readonly unknown[];
  /** Place among calls, which tells them apart where the server can't count. */
  index?: unknown;
  name?: unknown;
  /** The next piece of the arguments' JSON, or all of them as the object that they are. */
  args?: unknown;
  /** All of what is no JSON, but text for the tool. */
  text?: string;
}

/** A call as far as it is known. */
export interface ToolCall {
  readonly scope: string;
  /** Id that readers know: the first that was given, else one of ours. */
  id: string | null;
  name: string | null;
  /** Arguments as written; null once there is too much. */
  written: string | null;
  /** Arguments that were told whole. */
  whole: JsonValue | undefined;
  /** Arguments that stood at the beginning, and count where no others follow. */
  presumed: JsonValue | undefined;
  isCompleted: boolean;
  /**
   * True if it began with the id, name and place of a whole call without arguments: either another call of a server
   * that gives all the same id, or a last empty piece of one that repeats all it knows. The arguments will tell.
   */
  isDoubtful: boolean;
  readonly ids: Set<string>;
  index: string | null;
}

/** Whether a piece that brings a name is of another call than the one that it would belong to by its aliases. */
export function beginsAnother(
  target: ToolCall,
  piece: CallPiece,
  ids: readonly string[],
  hasItsId: boolean,
): boolean {
  if (target.name === null) return hasWholeJson(target);
  const args = typeof piece.args === "string" ? piece.args : "";
  const isWritten = target.isCompleted || hasWholeJson(target);
  if (isWritten) return true;
  if (target.name !== piece.name) return true;
  // The same name again, in the middle of the arguments: of the same call if the arguments go on.
  const isBegun = isText(target.written);
  const hasOtherId = target.ids.size > 0 && ids.length > 0 && !hasItsId;
  if (!isBegun) return hasOtherId;
  const beginsAnew = isObject(piece.args) || /^\s*[{[]/.test(args);
  return !hasItsId && (beginsAnew || (hasOtherId && args === ""));
}

export function wholeArguments({ args, text }: CallPiece): JsonValue {
  if (text !== undefined) return text;
  return typeof args === "string" ? parseArguments(args) : toJson(args ?? {});
}

export function tellsAnything({ ids = [], name, args }: CallPiece): boolean {
  return isText(name) || saysArguments(args) || isObject(args) || ids.some(isText);
}

export function saysArguments(args: unknown): boolean {
  return isText(args) || (isObject(args) && Object.keys(args).length > 0);
}

export function learn(call: ToolCall, piece: CallPiece): void {
  for (const id of piece.ids ?? []) if (isText(id)) call.ids.add(id);
  call.index = placeOf(piece.index) ?? call.index;
  if (call.name === null && isText(piece.name)) call.name = piece.name;
}

export function append(call: ToolCall, delta: string): void {
  if (call.written !== null) call.written += delta;
  if ((call.written?.length ?? 0) > MAX_ARGUMENT_CHARACTERS) call.written = null;
}

/** Whether the arguments that a call was told with are those of a whole one. */
export function hasArguments(call: ToolCall, piece: CallPiece): boolean {
  const told = call.whole ?? parseArguments(call.written);
  return JSON.stringify(told) === JSON.stringify(wholeArguments(piece));
}

export function isSame(call: ToolCall, piece: CallPiece, args: JsonValue): boolean {
  if (isText(piece.name) && call.name !== null && call.name !== piece.name) return false;
  if (!call.isCompleted || !saysArguments(piece.args)) return true;
  const told = call.whole ?? parseArguments(call.written);
  return told === null || JSON.stringify(told) === JSON.stringify(args);
}

export function hasWholeJson(call: ToolCall): boolean {
  if (call.whole !== undefined) return true;
  return isText(call.written) && /^\s*[{[]/.test(call.written) && parseJson(call.written) !== undefined;
}

export function placeOf(index: unknown): string | null {
  return typeof index === "number" || isText(index) ? String(index) : null;
}

export function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/**
 * Arguments as the model wrote them, also where they are no JSON; a call without any has an empty object. Servers that begin with
 * `{}` and then write the arguments, or write them twice, mean them once.
 */
export function parseArguments(json: string | null): JsonValue {
  if (json === null) return null;
  const text = json.trim();
  if (text === "") return {};
  const half = text.slice(0, text.length / 2);
  const candidates = [text, text.replace(/^\{\}/, ""), ...(half + half === text ? [half] : [])];
  return (candidates.map(parseJson).find((value) => value !== undefined) ?? json) as JsonValue;
}
