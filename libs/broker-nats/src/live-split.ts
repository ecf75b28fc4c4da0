import type { LiveRange } from "@sluice/core";

const FRAME_END = Buffer.from("\n\n");

/**
 * Cuts a range into ranges whose frames have at most `maxBytes`. A frame that is too large by itself becomes a range that is
 * announced without frames, as does the whole where it doesn't hold one frame a sequence.
 */
export function splitRange(range: LiveRange, maxBytes: number): LiveRange[] {
  if (range.frames === null || range.frames.byteLength <= maxBytes) return [range];
  const ends = frameEnds(range.frames);
  if (ends.length !== range.last - range.first + 1) return [{ ...range, frames: null }];

  const parts: LiveRange[] = [];
  let partStart = 0;
  let partFirst = range.first;
  const cut = (end: number, last: number): void => {
    const frames = end - partStart > maxBytes ? null : (range.frames?.subarray(partStart, end) ?? null);
    parts.push({ first: partFirst, last, isTerminal: range.isTerminal && last === range.last, frames });
    partStart = end;
    partFirst = last + 1;
  };
  let previousEnd = 0;
  for (const [index, end] of ends.entries()) {
    const isPartOpen = previousEnd > partStart;
    if (isPartOpen && end - partStart > maxBytes) cut(previousEnd, range.first + index - 1);
    previousEnd = end;
  }
  cut(previousEnd, range.last);
  return parts;
}

/** Where each frame ends; a blank line is nowhere else, since JSON has no line breaks. */
function frameEnds(frames: Uint8Array): number[] {
  const bytes = Buffer.from(frames.buffer, frames.byteOffset, frames.byteLength);
  const ends: number[] = [];
  for (let at = bytes.indexOf(FRAME_END); at >= 0; at = bytes.indexOf(FRAME_END, at + 2)) ends.push(at + 2);
  return ends;
}
