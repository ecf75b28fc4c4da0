import * as fc from "fast-check";
import { expect, it } from "vitest";
import { splitRange } from "./live-split.ts";

const frame = (sequence: number, bytes: number): string => `id: ${sequence}\ndata: ${"x".repeat(bytes)}\n\n`;

it("leaves a range that fits as it is", () => {
  const range = { first: 1, last: 1, isTerminal: true, frames: Buffer.from(frame(1, 10)) };
  expect(splitRange(range, 1_000)).toEqual([range]);
  const announced = { ...range, frames: null };
  expect(splitRange(announced, 1)).toEqual([announced]);
});

it("cuts between frames, loses none, and says the end only with the last", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 30 }),
      fc.integer({ min: 20, max: 200 }),
      fc.integer({ min: 1, max: 1_000_000 }),
      fc.boolean(),
      (sizes, maxBytes, first, isTerminal) => {
        const frames = sizes.map((bytes, index) => frame(first + index, bytes));
        const last = first + sizes.length - 1;
        const parts = splitRange({ first, last, isTerminal, frames: Buffer.from(frames.join("")) }, maxBytes);

        let next = first;
        for (const part of parts) {
          expect(part.first).toBe(next);
          const own = frames.slice(part.first - first, part.last - first + 1).join("");
          // Announced without frames only where not even one frame fits.
          const mustAnnounce = part.first === part.last && own.length > maxBytes;
          expect(part.frames === null ? null : Buffer.from(part.frames).toString()).toBe(
            mustAnnounce ? null : own,
          );
          expect(part.frames?.byteLength ?? 0).toBeLessThanOrEqual(maxBytes);
          expect(part.isTerminal).toBe(isTerminal && part.last === last);
          next = part.last + 1;
        }
        expect(next).toBe(last + 1);
      },
    ),
  );
});

it("announces the whole where frames and sequences don't match", () => {
  const range = { first: 1, last: 3, isTerminal: true, frames: Buffer.from(frame(1, 10) + frame(2, 10)) };
  expect(splitRange(range, 20)).toEqual([{ ...range, frames: null }]);
});
