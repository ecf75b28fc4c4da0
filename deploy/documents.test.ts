import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { expect, test } from "vitest";
import { readText } from "./deployment-files.ts";
import { REPOSITORY } from "./local/paths.ts";

/** Documents with requirements that readers quote by line. */
const NARROW = ["libs/protocol/PROTOCOL.md", "libs/protocol/INTERNALS.md", "deploy/OPERATIONS.md"];
const MAX_LINE = 140;
const documents = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "*.md"], {
  cwd: REPOSITORY,
  encoding: "utf8",
})
  .split("\n")
  .filter((name) => name !== "" && existsSync(join(REPOSITORY, name)));

const withoutFences = (text: string): string => text.replaceAll(/^( *)```[^\n]*\n[\s\S]*?^\1```$/gm, "");

/** The targets of a document's links and pictures, inline or by reference. */
function linksOf(text: string): string[] {
  const prose = withoutFences(text).replaceAll(/`[^`\n]*`/g, "code");
  const inline = [...prose.matchAll(/\]\(<?([^()\s>]+)>?(?: "[^"]*")?\)/g)];
  const referred = [...prose.matchAll(/^\[[^\]]+\]: (\S+)/gm)];
  return [...inline, ...referred].map(([, target]) => target ?? "");
}

/** The anchors of a document's headings, as GitHub makes them. */
function anchorsOf(text: string): string[] {
  const headings = [...withoutFences(text).matchAll(/^#{1,6} (.+)$/gm)].map(([, heading]) => heading ?? "");
  const seen = new Map<string, number>();
  return headings.map((heading) => {
    const plain = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").trim();
    const slug = plain
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(" ", "-");
    const count = seen.get(slug) ?? 0;
    seen.set(slug, count + 1);
    return count === 0 ? slug : `${slug}-${count}`;
  });
}

function brokenLinks(name: string, text: string): string[] {
  return linksOf(text)
    .filter((link) => !/^[a-z]+:/i.test(link))
    .filter((link) => {
      const [path = "", anchor] = link.split("#");
      const target = path === "" ? name : posix.normalize(posix.join(dirname(name), path));
      if (!existsSync(join(REPOSITORY, target))) return true;
      if (anchor === undefined || !target.endsWith(".md")) return false;
      return !anchorsOf(target === name ? text : readText(target)).includes(anchor);
    })
    .map((link) => `${name}: ${link}`);
}

test("each relative link in a document leads to a file, and each anchor to a heading", () => {
  expect(documents.length).toBeGreaterThan(20);
  expect(documents.flatMap((name) => brokenLinks(name, readText(name)))).toEqual([]);
});

test("a broken link is found: a missing file, a missing heading, and by reference", () => {
  const text =
    "# Here\n[a](no-such-file.md) [b](#no-such-heading) [c](#here) [d](https://example.org/)\n\n[e]: gone.md";
  expect(brokenLinks("README.md", text)).toEqual([
    "README.md: no-such-file.md",
    "README.md: #no-such-heading",
    "README.md: gone.md",
  ]);
});

test.each(NARROW)("%s has no line that is too long to quote, but data lines of SSE", (name) => {
  const lines = readText(name).split("\n");
  expect(lines.filter((line) => line.length > MAX_LINE && !line.startsWith("data: "))).toEqual([]);
});

test("each package and service has a README that begins with its name", () => {
  const manifests = execFileSync("git", ["ls-files", "libs/*/package.json", "services/*/package.json"], {
    cwd: REPOSITORY,
    encoding: "utf8",
  });
  const missing = manifests
    .trim()
    .split("\n")
    .filter((path) => {
      const { name } = JSON.parse(readText(path)) as { name: string };
      const readme = posix.join(dirname(path), "README.md");
      return !existsSync(join(REPOSITORY, readme)) || !readText(readme).startsWith(`# ${name}\n`);
    });
  expect(missing).toEqual([]);
});

test("each decision record says its status, context, decision and consequences, and what it decides in its title", () => {
  const records = documents.filter((name) => name.startsWith("deploy/decisions/"));
  expect(records.length).toBeGreaterThanOrEqual(16);
  const numbers = records.map((name) => /\/(\d{4})-/.exec(name)?.[1]);
  expect(new Set(numbers).size).toBe(records.length);
  for (const name of records) {
    const text = readText(name);
    // A sentence: it has a verb, so it has some words.
    expect(text.split("\n")[0]?.split(" ").length, name).toBeGreaterThan(5);
    const headings = [...text.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading);
    expect(headings.slice(0, 4), name).toEqual(["Status", "Context", "Decision", "Consequences"]);
    expect(text, name).toMatch(/^## Status\n\n(Accepted|Superseded by \[)/m);
  }
});
