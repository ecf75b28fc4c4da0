/** A document of the repository, as text. */
export interface DocumentText {
  /** Name in the answer, e.g. `README.md`. */
  name: string;
  text: string;
}

export interface Section {
  document: string;
  heading: string;
  /** Text with the heading line; ends with a line break. */
  text: string;
}

/** Cuts Markdown at its headings. A `#` inside a code fence is no heading. Text before the first one is left out. */
export function sectionsOf(document: DocumentText): Section[] {
  const sections: { heading: string; lines: string[] }[] = [];
  let fence: string | null = null;
  for (const line of document.text.split(/\r?\n/)) {
    const mark = /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1] ?? null;
    if (fence === null) fence = mark;
    else if (mark !== null && mark.startsWith(fence)) fence = null;

    const heading = fence === null ? /^#{1,6} +(.*?)[ #]*$/.exec(line)?.[1] : undefined;
    if (heading !== undefined) sections.push({ heading, lines: [line] });
    else sections.at(-1)?.lines.push(line);
  }
  return sections.map(({ heading, lines }) => ({
    document: document.name,
    heading,
    text: `${lines.join("\n").trimEnd()}\n`,
  }));
}

/** A word in a heading says more about a section than the same word in its text. */
const HEADING_WEIGHT = 4;
/** Most repeats of a word that count: more make a section a longer answer, not a better one. */
const MOST_COUNTED_REPEATS = 3;
/** A section is part of the answer from this share of the best one's score on. */
const GOOD_ENOUGH = 0.6;
const MOST_SECTIONS = 3;

/**
 * The sections that match the prompt's words best, best first; at least the first one, which opens its document.
 * Rare words weigh more than common ones. A function of its arguments alone: the same prompt, the same answer.
 */
export function bestSections(
  prompt: string,
  sections: readonly Section[],
): { sections: Section[]; matched: boolean } {
  const indexed = sections.map((section) => ({
    section,
    heading: new Set(wordsOf(section.heading)),
    counts: countOf(wordsOf(section.text)),
  }));
  const asked = [...new Set(wordsOf(prompt))].map((word) => ({
    word,
    weight: Math.log(1 + sections.length / (1 + indexed.filter(({ counts }) => counts.has(word)).length)),
  }));
  const scored = indexed
    .map(({ section, heading, counts }) => {
      let score = 0;
      for (const { word, weight } of asked) {
        const repeats = Math.min(counts.get(word) ?? 0, MOST_COUNTED_REPEATS);
        score += weight * (repeats / MOST_COUNTED_REPEATS + (heading.has(word) ? HEADING_WEIGHT : 0));
      }
      return { section, score };
    })
    .sort((left, right) => right.score - left.score);

  const best = scored[0];
  if (best === undefined || best.score === 0) return { sections: sections.slice(0, 1), matched: false };
  const good = scored.filter(({ score }) => score >= best.score * GOOD_ENOUGH);
  return { sections: good.slice(0, MOST_SECTIONS).map(({ section }) => section), matched: true };
}

/** Words that are in every question and every section. */
const STOP_WORDS = new Set(
  `a an and any are as at be been but by can could do does for from had has have how i if in is it its me my no not of
  on or our please shall should show so tell than that the their them then there these they this those to us was we
  were what when where which who why will with would you your`.split(/\s+/),
);

/** Lower-cased, without stop words; a plural counts as its singular. */
function wordsOf(text: string): string[] {
  const words = text.toLowerCase().match(/[\p{L}\p{N}_]+/gu) ?? [];
  return words
    .filter((word) => !STOP_WORDS.has(word))
    .map((word) => (word.length > 3 ? word.replace(/(?<!s)s$/, "") : word));
}

function countOf(words: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}
