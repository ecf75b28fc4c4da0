/** The first `major.minor.patch` in a program's `--version` output; undefined when there is none. */
export function parseVersion(output: string): string | undefined {
  return /\bv?=?(\d+\.\d+\.\d+)/.exec(output)?.[1];
}

/** Compares by number, so that 2.9.10 is older than 2.10.0. */
export function isAtLeast(version: string, minimum: string): boolean {
  const actual = version.split(".").map(Number);
  const wanted = minimum.split(".").map(Number);
  for (const [index, part] of wanted.entries()) {
    const difference = (actual[index] ?? 0) - part;
    if (difference !== 0) return difference > 0;
  }
  return true;
}
