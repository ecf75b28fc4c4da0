import type { LiveRange } from "@sluice/core";

const NEWLINE = 0x0a;
// Two numbers of 16 digits, two blanks, two flags. Without it a foreign message would be turned into a string as a whole.
const MAX_HEAD_BYTES = 36;

/** `<first> <last> <t|->[x]\n` and then the frames as they are; `x`: announced without frames. */
export function encodeLiveMessage(range: LiveRange): Uint8Array {
  const flags = `${range.isTerminal ? "t" : "-"}${range.frames === null ? "x" : ""}`;
  const head = Buffer.from(`${range.first} ${range.last} ${flags}\n`);
  return range.frames === null ? head : Buffer.concat([head, range.frames]);
}

const HEAD = /^([1-9]\d{0,15}) ([1-9]\d{0,15}) ([t-])(x?)$/;

/**
 * Null where it is not a live message, or its range is impossible: a reader would wait for chunks that never come.
 * The frames share the message's memory.
 */
export function decodeLiveMessage(message: Uint8Array): LiveRange | null {
  const end = message.indexOf(NEWLINE);
  if (end < 0 || end > MAX_HEAD_BYTES) return null;
  const head = HEAD.exec(Buffer.from(message.buffer, message.byteOffset, end).toString("latin1"));
  if (head === null) return null;
  const first = Number(head[1]);
  const last = Number(head[2]);
  if (last < first || !Number.isSafeInteger(last)) return null;
  return {
    first,
    last,
    isTerminal: head[3] === "t",
    frames: head[4] === "x" ? null : message.subarray(end + 1),
  };
}

/** A heartbeat has no numbers, so that readers of ranges alone drop it: `h\n` and its frame. */
const HEARTBEAT_HEAD = Buffer.from("h\n");

export function encodeHeartbeatMessage(frame: Uint8Array): Uint8Array {
  return Buffer.concat([HEARTBEAT_HEAD, frame]);
}

/** Null where it is none. The frame shares the message's memory. */
export function decodeHeartbeatMessage(message: Uint8Array): Uint8Array | null {
  const hasHead = HEARTBEAT_HEAD.every((byte, index) => message[index] === byte);
  return hasHead ? message.subarray(HEARTBEAT_HEAD.byteLength) : null;
}
