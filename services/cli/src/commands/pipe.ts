import type { ChunkType } from "@sluice/core";
import { ChunkUploader } from "../chunk-uploader.ts";
import { CliError, EXIT } from "../exit-codes.ts";
import type { GatewayClient } from "../gateway-client.ts";
import type { Interrupted, Interrupts } from "../interrupts.ts";
import { LineSplitter } from "../line-splitter.ts";
import type { PipedSource, SourceEnd } from "../piped-source.ts";
import type { Terminal } from "../terminal.ts";

export interface PipeRequest {
  streamId: string | undefined;
  /** Called once the stream is there: nothing is run for a stream that can't be created. */
  openSource: () => PipedSource;
  /** Don't show the text on stdout. */
  isQuiet: boolean;
  /** Longest time that a begun line waits for its end, ms; 0: for ever. */
  flushAfterMs: number;
  /** The terminal has told the command of Ctrl-C already. */
  isTerminalShared: boolean;
  edgeUrl: string;
}

// After an interruption nobody waits long for a gateway that is away.
const INTERRUPTED_UPLOAD_MS = 5_000;
const HURRIED_UPLOAD_MS = 1_000;

/**
 * Makes a stream of what a source puts out, as it appears. Its text goes to the stream and, as `tee` would, to stdout;
 * whichever of the two is slower holds the source back. Losing one doesn't end the other: a closed stdout leaves the
 * stream, an unreachable gateway leaves stdout. Only a stream that was ended elsewhere ends the source.
 * @returns the exit code
 */
export async function pipe(
  request: PipeRequest,
  { client, terminal, interrupts }: { client: GatewayClient; terminal: Terminal; interrupts: Interrupts },
): Promise<number> {
  const { streamId, urls } = await client.createStream(request.streamId);
  terminal.note(`stream  ${streamId}`);
  const shown =
    Object.keys(urls).length > 0 ? urls : { events: `${request.edgeUrl}/streams/${streamId}/events` };
  for (const [name, url] of Object.entries(shown)) terminal.note(`${name.padEnd(7)} ${url}`);

  const source = request.openSource();
  const giveUp = new AbortController();
  const uploader = new ChunkUploader({
    client,
    streamId,
    signal: giveUp.signal,
    onFailure: ({ kind, error }) => {
      terminal.warn(`stream ${streamId} goes no further: ${error.message}`);
      if (kind === "refused") source.stop("SIGTERM");
    },
  });
  const interruption = watchInterrupts(interrupts, source, giveUp, request.isTerminalShared);
  try {
    await copy(source, uploader, terminal, request);
    const end = await source.ended;
    await uploader.flush();
    await uploader.push(lastChunk(end, interrupts));
    await uploader.flush();
    return exitCodeOf(end, uploader, interrupts);
  } finally {
    interruption.close();
  }
}

function watchInterrupts(
  interrupts: Interrupts,
  source: PipedSource,
  giveUp: AbortController,
  isTerminalShared: boolean,
): { close(): void } {
  const timers: NodeJS.Timeout[] = [];
  const giveUpAfter = (ms: number) => timers.push(setTimeout(() => giveUp.abort(), ms));
  const first = () => {
    const { signal } = interrupts.first.reason as Interrupted;
    if (signal !== "SIGINT" || !isTerminalShared) source.stop(signal);
    // A command may take its time to end, and its output is still wanted: the clock runs from its end.
    void source.ended.then(() => giveUpAfter(INTERRUPTED_UPLOAD_MS));
  };
  const second = () => {
    source.stop("SIGKILL");
    giveUpAfter(HURRIED_UPLOAD_MS);
  };
  if (interrupts.first.aborted) first();
  else interrupts.first.addEventListener("abort", first, { once: true });
  interrupts.second.addEventListener("abort", second, { once: true });
  return {
    close: () => {
      interrupts.first.removeEventListener("abort", first);
      interrupts.second.removeEventListener("abort", second);
      for (const timer of timers) clearTimeout(timer);
    },
  };
}

/** Resolves when the source's output has ended, in whatever way, and all of it was handed to the uploader. */
async function copy(
  source: PipedSource,
  uploader: ChunkUploader,
  terminal: Terminal,
  request: PipeRequest,
): Promise<void> {
  const splitter = new LineSplitter();
  let isShown = !request.isQuiet;
  let flushTimer: NodeJS.Timeout | undefined;
  let uploading = Promise.resolve();
  // A chain: a line that is flushed by the clock may not overtake those that still wait for room.
  const upload = (pieces: readonly string[]) => {
    uploading = uploading.then(async () => {
      for (const content of pieces) await uploader.push({ type: "Text", content });
    });
  };
  try {
    for await (const bytes of source.output as AsyncIterable<Uint8Array>) {
      clearTimeout(flushTimer);
      upload(splitter.push(bytes));
      if (isShown) isShown = await show(terminal, bytes);
      await uploading;
      if (splitter.hasPartial && request.flushAfterMs > 0) {
        flushTimer = setTimeout(() => upload(splitter.flush()), request.flushAfterMs);
      }
    }
  } catch {
    // Cut off or failed: `ended` tells how.
  } finally {
    clearTimeout(flushTimer);
  }
  upload(splitter.end());
  await uploading;
}

/** @returns whether anybody still reads */
async function show(terminal: Terminal, bytes: Uint8Array): Promise<boolean> {
  try {
    await terminal.echo(bytes);
    return true;
  } catch (error) {
    if (error instanceof CliError && error.exitCode === EXIT.brokenPipe) return false;
    throw error;
  }
}

function lastChunk(end: SourceEnd, interrupts: Interrupts): ChunkType {
  if (interrupts.first.aborted) {
    return { type: "Error", error: (interrupts.first.reason as Interrupted).message, code: "INTERRUPTED" };
  }
  if (end.exitCode === EXIT.ok) return { type: "Complete", summary: end.message };
  return { type: "Error", error: end.message ?? "failed", code: "COMMAND_FAILED" };
}

function exitCodeOf(end: SourceEnd, uploader: ChunkUploader, interrupts: Interrupts): number {
  if (interrupts.first.aborted) {
    return (interrupts.first.reason as Interrupted).signal === "SIGINT" ? EXIT.interrupted : EXIT.terminated;
  }
  if (uploader.failure?.kind === "refused") return uploader.failure.error.exitCode;
  if (end.exitCode !== EXIT.ok) return end.exitCode;
  return uploader.failure?.error.exitCode ?? EXIT.ok;
}
