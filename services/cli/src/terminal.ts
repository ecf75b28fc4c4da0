import type { Writable } from "node:stream";
import { EXIT, CliError } from "./exit-codes.ts";
import { printable, printableMessage } from "./printable.ts";

export interface TerminalStreams {
  stdout: Writable & { isTTY?: boolean };
  stderr: Writable & { isTTY?: boolean };
  /** True: no colours (no-color.org). */
  noColor: boolean;
}

const NEWLINE = 0x0a;

/**
 * Everything that the command says: content on stdout, all else on stderr, a line each.
 * Content comes from whoever writes streams. A pipe gets it byte for byte; a terminal never gets what it would act on, and
 * neither does any message. On a terminal, where both meet, a line on stderr never begins in the middle of a line of content.
 */
export class Terminal {
  readonly #streams: TerminalStreams;
  readonly #colours: boolean;
  #stdoutError: Error | null = null;
  #isMidLine = false;

  constructor(streams: TerminalStreams) {
    this.#streams = streams;
    this.#colours = streams.stderr.isTTY === true && !streams.noColor;
    streams.stdout.on("error", (error) => (this.#stdoutError ??= error));
    // Who closes stderr doesn't want to know.
    streams.stderr.on("error", () => undefined);
  }

  /**
   * Writes content; resolves when there is room for more.
   * @throws CliError with code 141 once nobody reads
   */
  write(content: string): Promise<void> {
    return this.#write(this.#streams.stdout.isTTY === true ? printable(content) : content);
  }

  /** Passes on bytes of a command that was started here, whatever they do to the terminal. As `write` otherwise. */
  echo(bytes: Uint8Array): Promise<void> {
    return this.#write(bytes);
  }

  async #write(content: string | Uint8Array): Promise<void> {
    if (content.length === 0) return;
    await new Promise<void>((resolve) => {
      this.#streams.stdout.write(content, () => resolve());
    });
    const last = typeof content === "string" ? content.charCodeAt(content.length - 1) : content.at(-1);
    this.#isMidLine = last !== NEWLINE;
    if (this.#stdoutError !== null) throw new CliError(EXIT.brokenPipe, "", this.#stdoutError);
  }

  note(line: string): void {
    this.#say(this.#paint("2", printableMessage(line)));
  }

  warn(line: string): void {
    this.#say(this.#paint("33", `sluice: ${printableMessage(line)}`));
  }

  fail(line: string): void {
    this.#say(this.#paint("31", `sluice: ${printableMessage(line)}`));
  }

  /** Leaves the cursor at the beginning of a line, where stdout is a terminal. */
  finish(): void {
    if (this.#isMidLine && this.#streams.stdout.isTTY === true) this.#streams.stdout.write("\n");
    this.#isMidLine = false;
  }

  #say(line: string): void {
    this.finish();
    this.#streams.stderr.write(`${line}\n`);
  }

  #paint(code: string, text: string): string {
    return this.#colours ? `\u001B[${code}m${text}\u001B[0m` : text;
  }
}
