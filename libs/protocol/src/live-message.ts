import type { LiveRange } from "@sluice/core";

const NEWLINE = 0x0a;

/** `<first> <last> <t|->[x]\n` and then the frames as they are; `x`: announced without frames. */
export function encodeLiveMessage(range: LiveRange): Uint8Array {
  const flags = `${range.isTerminal ? "t" : "-"}${range.frames === null ? "x" : ""}`;
  const head = Buffer.from(`${range.first} ${range.last} ${flags}\n`);
  return range.frames === null ? head : Buffer.concat([head, range.frames]);
}

/** Null where it is not a live message. The frames share the message's memory. */
export function decodeLiveMessage(message: Uint8Array): LiveRange | null {
  const end = message.indexOf(NEWLINE);
  if (end < 0 || end > 64) return null;
  const [first, last, flags] = Buffer.from(message.buffer, message.byteOffset, end)
    .toString("latin1")
    .split(" ");
  const range = { first: Number(first), last: Number(last) };
  if (flags === undefined || !Number.isSafeInteger(range.first) || !Number.isSafeInteger(range.last))
    return null;
  return {
    ...range,
    isTerminal: flags.startsWith("t"),
    frames: flags.includes("x") ? null : message.subarray(end + 1),
  };
}
