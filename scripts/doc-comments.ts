/**
 * Finds doc comments that begin with a bare pronoun or preposition ("Of the log."), which can't be read without the
 * line below. Prints each with its place, and fails above a share of all doc comments: `npm run prose`.
 */
import { readFileSync, readdirSync, realpathSync } from "node:fs";
import { join, relative, resolve } from "node:path";

const FOLDERS = ["libs", "services", "deploy", "loadtest", "scripts"];
const PRODUCT_FILE = /^(?!.*\.test\.).*\.(ts|tsx|js|mjs)$/;
const MAX_SHARE = 0.02;

const PRONOUNS =
  "what whatever who whom whose whoever which whichever it its they them their he his she her we our you your this " +
  "that these those others";
const PREPOSITIONS =
  "of in into for by with within without from to at on onto upon as about above below beneath beside besides between " +
  "beyond behind before after against among around during until since through throughout toward towards under via per " +
  "like near off over instead";
const BARE = new Set(`${PRONOUNS} ${PREPOSITIONS}`.split(" "));

export interface DocComment {
  readonly line: number;
  readonly text: string;
  /** True if its first word is a bare pronoun or preposition. */
  readonly isBare: boolean;
}

/** Reads the doc comments of a source text, each with the line on which its text begins. */
export function docCommentsOf(source: string): DocComment[] {
  const comments: DocComment[] = [];
  for (const match of source.matchAll(/(?<=^|[\s({,])\/\*\*([\s\S]*?)\*\//g)) {
    const lines = (match[1] ?? "").split("\n").map((line) => line.replace(/^\s*\*?\s?/, "").trim());
    const first = lines.findIndex((line) => line !== "");
    const text = lines[first];
    // A comment of tags alone has no sentence to judge.
    if (text === undefined || text.startsWith("@")) continue;
    const word = /^[A-Za-z']+/.exec(text)?.[0].toLowerCase() ?? "";
    const line = source.slice(0, match.index).split("\n").length + first;
    comments.push({ line, text, isBare: BARE.has(word) });
  }
  return comments;
}

export interface ProseResult {
  readonly comments: number;
  /** `path:line first line of the comment`, in order of the paths. */
  readonly bare: readonly string[];
  /** True if more of them are bare than the share allows, or if there was nothing to read. */
  readonly isRefused: boolean;
}

export function checkProse(root: string, maxShare: number = MAX_SHARE): ProseResult {
  const files = FOLDERS.flatMap((folder) => productFiles(join(root, folder)));
  const bare: string[] = [];
  let comments = 0;
  for (const file of files.toSorted()) {
    for (const { line, text, isBare } of docCommentsOf(readFileSync(file, "utf8"))) {
      comments++;
      if (isBare) bare.push(`${relative(root, file)}:${line} ${text}`);
    }
  }
  return { comments, bare, isRefused: comments === 0 || bare.length > comments * maxShare };
}

function productFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && PRODUCT_FILE.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => !/[/\\](node_modules|dist)[/\\]/.test(file.slice(folder.length)));
}

// Not `import.meta.main`, which came after Node 24.0: where it is missing this check would do nothing and pass.
if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === import.meta.filename) {
  const { comments, bare, isRefused } = checkProse(resolve(import.meta.dirname, ".."));
  for (const each of bare) console.error(each);
  const share = ((bare.length / comments) * 100).toFixed(1);
  console.log(
    `prose: ${bare.length} of ${comments} doc comments (${share} %) begin with a bare pronoun or preposition, at most ${MAX_SHARE * 100} % may`,
  );
  process.exitCode = isRefused ? 1 : 0;
}
