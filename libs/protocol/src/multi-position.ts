import { isStreamId, StreamError } from "@sluice/core";

/** Most streams that one connection carries. */
export const MAX_STREAMS_PER_CONNECTION = 64;

/** Clients and proxies give a request header about 8 KB in all; with an id of 17 KB a browser's reconnects fail for good. */
const MAX_ID_CHARACTERS = 2_048;

// 2^53 − 1 in base 36, and its separator.
const LONGEST_POSITION = 12;

/** Where a connection of many streams stands. It travels as the event id, so it comes back with the reconnect. */
export interface MultiPosition {
  /** One for each stream of the URL, in its order. Null: begins as the URL says; `dropped`: isn't wanted any more. */
  listed: readonly (number | "dropped" | null)[];
  /** Streams that were added while the connection was open. */
  added: readonly { streamId: string; sequence: number }[];
}

/** `1a.-..2b,added:3c`: base 36, `-` dropped, nothing: not begun. Empty where nothing has begun: that must not be sent. */
export function encodeMultiPosition({ listed, added }: MultiPosition): string {
  const positions = listed.map((position) =>
    position === null ? "" : position === "dropped" ? "-" : position.toString(36),
  );
  const additions = added.map(({ streamId, sequence }) => `,${streamId}:${sequence.toString(36)}`);
  const text = positions.join(".") + additions.join("");
  return /^\.*$/.test(text) ? "" : text;
}

/** Whether the position of such a connection fits an event id, however far its streams come. */
export function fitsEventId(listedCount: number, addedIds: readonly string[]): boolean {
  const added = addedIds.reduce((sum, streamId) => sum + streamId.length + 1 + LONGEST_POSITION, 0);
  return listedCount * LONGEST_POSITION + added <= MAX_ID_CHARACTERS;
}

/** @throws StreamError INVALID_REQUEST where it isn't one, or belongs to a URL with another number of streams */
export function decodeMultiPosition(text: string, listedCount: number): MultiPosition {
  const [positions = "", ...additions] = text.slice(0, MAX_ID_CHARACTERS).split(",");
  const listed = positions.split(".").map(decodePosition);
  const added = additions.map((addition) => {
    const [streamId = "", position = ""] = addition.split(":");
    const sequence = decodePosition(position);
    if (!isStreamId(streamId) || typeof sequence !== "number") throw notAPosition();
    return { streamId, sequence };
  });
  if (listed.length !== listedCount || text.length > MAX_ID_CHARACTERS) throw notAPosition();
  return { listed, added };
}

function decodePosition(text: string): number | "dropped" | null {
  if (text === "") return null;
  if (text === "-") return "dropped";
  const sequence = /^[0-9a-z]{1,11}$/.test(text) ? Number.parseInt(text, 36) : Number.NaN;
  if (!Number.isSafeInteger(sequence)) throw notAPosition();
  return sequence;
}

function notAPosition(): StreamError {
  return new StreamError("INVALID_REQUEST", "the last event id isn't one of a connection with these streams");
}
