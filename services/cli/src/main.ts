import { CommanderError } from "commander";
import { CliError, EXIT } from "./exit-codes.ts";
import { Interrupted } from "./interrupts.ts";
import { createProgram } from "./program.ts";
import { Terminal } from "./terminal.ts";

const first = new AbortController();
const second = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    const pending = [first, second].find((controller) => !controller.signal.aborted);
    if (pending === undefined) process.exit(signal === "SIGINT" ? EXIT.interrupted : EXIT.terminated);
    pending.abort(new Interrupted(signal));
  });
}

const terminal = new Terminal({
  stdout: process.stdout,
  stderr: process.stderr,
  noColor: (process.env["NO_COLOR"] ?? "") !== "",
});

let exitCode: number = EXIT.ok;
const program = createProgram(
  { terminal, stdin: process.stdin, interrupts: { first: first.signal, second: second.signal } },
  (code) => (exitCode = code),
);

try {
  await program.parseAsync();
} catch (error) {
  exitCode = explain(error);
}
// Connections that are kept alive, and a stdin that nobody closes, must not keep the command.
process.exit(exitCode);

/** Says what went wrong, where it isn't said yet. @returns the exit code */
function explain(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof Interrupted) {
    terminal.finish();
    return error.signal === "SIGINT" ? EXIT.interrupted : EXIT.terminated;
  }
  if (error instanceof CliError) {
    if (error.message !== "") terminal.fail(error.message);
    return error.exitCode;
  }
  terminal.fail(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return EXIT.streamFailed;
}
