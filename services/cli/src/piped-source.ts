import { spawn } from "node:child_process";
import { constants } from "node:os";
import type { Readable } from "node:stream";
import { EXIT } from "./exit-codes.ts";

/** The end of what was piped. */
export interface SourceEnd {
  exitCode: number;
  /** A sentence for the stream's last chunk: its summary where all went well, else its error. */
  message: string | null;
}

/** Source of a piped stream's text. */
export interface PipedSource {
  readonly output: Readable;
  /** Resolves after the output has ended. Never rejects. */
  readonly ended: Promise<SourceEnd>;
  /** Asks it to end; it may take its time, and its output is still read meanwhile. */
  stop(signal: NodeJS.Signals): void;
}

export function stdinSource(stdin: Readable): PipedSource {
  const ended = Promise.withResolvers<SourceEnd>();
  stdin.once("end", () => ended.resolve({ exitCode: EXIT.ok, message: null }));
  stdin.once("error", (error) =>
    ended.resolve({ exitCode: EXIT.streamFailed, message: `the input failed: ${error.message}` }),
  );
  stdin.once("close", () => ended.resolve({ exitCode: EXIT.streamFailed, message: "the input was cut" }));
  // Whoever writes into the pipe learns of it as of any reader that goes away.
  return { output: stdin, ended: ended.promise, stop: () => void stdin.destroy() };
}

/** Runs a command; its stdin and stderr are ours. */
export function commandSource(command: string, args: readonly string[]): PipedSource {
  const child = spawn(command, args, { stdio: ["inherit", "pipe", "inherit"] });
  const ended = Promise.withResolvers<SourceEnd>();
  child.once("error", (error: NodeJS.ErrnoException) => {
    const isMissing = error.code === "ENOENT";
    ended.resolve({
      exitCode: isMissing ? EXIT.commandNotFound : EXIT.notExecutable,
      message: `${command}: ${isMissing ? "command not found" : `cannot be run (${error.code ?? error.message})`}`,
    });
  });
  child.once("close", (code, signal) => {
    ended.resolve(
      signal === null
        ? { exitCode: code ?? EXIT.streamFailed, message: `${command} exited with ${code}` }
        : { exitCode: 128 + constants.signals[signal], message: `${command} was ended by ${signal}` },
    );
  });
  return { output: child.stdout, ended: ended.promise, stop: (signal) => void child.kill(signal) };
}
