/** Meanings of the command's exit codes. They are part of its contract: `sluice help` lists them. */
export const EXIT = {
  ok: 0,
  /** The stream ended with an Error chunk, or what was piped failed. */
  streamFailed: 1,
  usage: 2,
  /** A service can't be reached, or stopped answering for too long. */
  unreachable: 3,
  notFound: 4,
  /** The stream completed, or ended nobody knows how, and a part of it was told to be missing. */
  incomplete: 5,
  refused: 6,
  /** A command that can't be run, as shells have it. */
  notExecutable: 126,
  commandNotFound: 127,
  interrupted: 130,
  /** Nobody reads our output any more: what SIGPIPE does to other commands. */
  brokenPipe: 141,
  terminated: 143,
} as const;

/** Ends the command with one sentence on stderr. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly exitCode: number;

  constructor(exitCode: number, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.exitCode = exitCode;
  }
}

export const EXIT_CODES_HELP = `
Exit codes:
  0    done; the stream completed
  1    the stream ended with an Error chunk
  2    wrong usage
  3    the service can't be reached, or fell silent for too long
  4    there is no such stream, or it was deleted
  5    the stream has ended, but a part of it could not be had any more
  6    refused, with the reason
  130  interrupted (143: terminated)
  141  nobody reads the output any more
A piped command's own exit code is passed on: 126 where it can't be run, 127 where
it isn't found, 128 + n where signal n ended it.`;
