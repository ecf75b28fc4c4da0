/**
 * Content of a whole SSE answer. `isDense`: every sequence came once, in order, from the one after the cursor.
 * k6 hands over a response when it has ended, which every stream does after its terminal chunk.
 */
export function readAnswer(body, cursor = 0) {
  const sequences = [...body.matchAll(/^id: (\d+)$/gm)].map((match) => Number(match[1]));
  return {
    isDense: sequences.every((sequence, index) => sequence === cursor + index + 1),
    last: sequences.at(-1) ?? cursor,
    hasGap: /^event: gap$/m.test(body),
    isComplete: /^event: complete$/m.test(body),
  };
}
