import { writeSync } from "node:fs";
import type { Reporter, TestModule, TestSuite, Vitest } from "vitest/node";

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

const SLOWEST = 10;

/**
 * Prints the ten slowest tests of a whole run, and `N passed, N failed, N skipped` as its last line.
 *
 * Failed counts, beside tests: a file that could not be imported, a suite whose hooks threw, an unhandled error, a test
 * that never finished. A run that fails for any other reason (no test was found, say) counts as one failure, so
 * `0 failed` always means exit code 0.
 */
export default class CountReporter implements Reporter {
  readonly #counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  #slowest: readonly string[] = [];

  onInit(vitest: Vitest): void {
    // The other reporters and Vitest's own shutdown still write after the end of the run.
    process.once("exit", (code) => {
      // In watch mode the last line is an interactive prompt's, and the counts would be those of one re-run.
      if (vitest.config.watch) return;
      for (const line of this.#slowest) writeSync(process.stdout.fd, `${line}\n`);
      writeSync(process.stdout.fd, `${countLine(this.#counts, code)}\n`);
    });
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    Object.assign(this.#counts, countRun(modules, unhandledErrors));
    this.#slowest = slowestOf(modules);
  }
}

function countRun(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): Counts {
  const counts: Counts = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
  for (const module of modules) {
    if (module.errors().length > 0) counts.failed += 1;
    for (const suite of module.children.allSuites()) counts.failed += suiteFailed(suite) ? 1 : 0;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      counts[state === "pending" ? "failed" : state] += 1;
    }
  }
  return counts;
}

/** @returns a heading and a line a test; empty for a run of few tests */
function slowestOf(modules: readonly TestModule[]): string[] {
  const timed = modules.flatMap((module) =>
    [...module.children.allTests()].map((test) => ({
      ms: test.diagnostic()?.duration ?? 0,
      name: `${module.relativeModuleId}: ${test.fullName}`,
    })),
  );
  if (timed.length <= SLOWEST) return [];
  const slowest = timed.toSorted((a, b) => b.ms - a.ms).slice(0, SLOWEST);
  return [
    "slowest tests:",
    ...slowest.map(({ ms, name }) => `${(ms / 1000).toFixed(1).padStart(7)} s  ${name}`),
  ];
}

function suiteFailed(suite: TestSuite): boolean {
  return suite.errors().length > 0;
}

function countLine(counts: Counts, exitCode: number): string {
  const failed = exitCode === 0 ? counts.failed : Math.max(1, counts.failed);
  return `${counts.passed} passed, ${failed} failed, ${counts.skipped} skipped`;
}
