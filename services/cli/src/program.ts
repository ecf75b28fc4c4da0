import { Command } from "commander";
import {
  edgeOption,
  gatewayOption,
  millisecondsArgument,
  giveUpAfterOption,
  secondsArgument,
  sequenceArgument,
  streamIdArgument,
} from "./arguments.ts";
import { gatewayClient, readAll, type AddCommand, type ProgramContext } from "./command-context.ts";
import { pipe } from "./commands/pipe.ts";
import { printStatus } from "./commands/status.ts";
import { tail } from "./commands/tail.ts";
import { CliError, EXIT, EXIT_CODES_HELP } from "./exit-codes.ts";
import { addRejected, addServices, addStreams } from "./operator-commands.ts";
import { commandSource, stdinSource } from "./piped-source.ts";

interface Addresses {
  edge: string;
  gateway: string;
}

interface Reading {
  json?: true;
  giveUpAfter: number;
}

// Between a worker's acceptance and ingest's write a new stream may not be found yet.
const NEW_STREAM_WAIT_SECONDS = 10;

/** @param onExitCode told how the command that ran ended */
export function createProgram(context: ProgramContext, onExitCode: (code: number) => void): Command {
  const program = new Command("sluice")
    .description("Write and read resumable streams.")
    .enablePositionalOptions()
    .exitOverride()
    .showSuggestionAfterError()
    .addHelpText("after", EXIT_CODES_HELP);
  const commands = [addPipe, addTail, addAsk, addCreate, addStatus, addStreams, addServices, addRejected];
  for (const add of commands) add(program, context, onExitCode);
  return program;
}

const addPipe: AddCommand = (program, { terminal, stdin, interrupts }, onExitCode) => {
  interface Options extends Addresses {
    id?: string;
    quiet?: true;
    flushAfter: number;
    giveUpAfter: number;
  }
  program
    .command("pipe")
    .description("make a stream of a command's output, or of stdin, as it appears")
    .argument("[command...]", "the command and its arguments; without one stdin is read")
    .option("--id <id>", "the new stream's id; a random one if absent", streamIdArgument)
    .option("-q, --quiet", "don't pass the text through to stdout")
    .option(
      "--flush-after <ms>",
      "send a line that has begun after this time, without waiting for its end; 0: only whole lines",
      millisecondsArgument,
      250,
    )
    .addOption(giveUpAfterOption())
    .addOption(gatewayOption())
    .addOption(edgeOption())
    .passThroughOptions()
    .addHelpText(
      "after",
      `
Each line becomes one Text chunk, with its line break. The stream ends with Complete,
or with an Error chunk: COMMAND_FAILED (exit code or signal), INTERRUPTED (Ctrl-C).
A command's stdout becomes the stream; for stderr as well: sh -c '… 2>&1'.

Nothing is sent twice: every request names the number that its first chunk must take,
so a repeat of one that arrived is recognised. While the gateway is away the command
is held back; after --give-up-after it runs on without its stream, and the exit code is 3.

Examples:
  seq 1 100 | sluice pipe --id demo
  sluice pipe --id build-42 -- make -j4
  ollama run llama3.2 "Why is the sky blue?" | sluice pipe --flush-after 20`,
    )
    .action(async (command: string[], options: Options) => {
      const [name, ...args] = command;
      onExitCode(
        await pipe(
          {
            streamId: options.id,
            openSource: () => (name === undefined ? stdinSource(stdin) : commandSource(name, args)),
            isQuiet: options.quiet === true,
            flushAfterMs: options.flushAfter,
            isTerminalShared: name !== undefined && stdin.isTTY === true,
            edgeUrl: options.edge,
          },
          { client: gatewayClient(options, interrupts), terminal, interrupts },
        ),
      );
    });
};

const addTail: AddCommand = (program, { terminal, interrupts }, onExitCode) => {
  interface Options extends Reading {
    edge: string;
    from: number;
    wait: number;
  }
  program
    .command("tail")
    .description("print a stream from its beginning and follow it to its end")
    .argument("<id>", "the stream", streamIdArgument)
    .option("--from <sequence>", "first chunk to print", sequenceArgument, 1)
    .option("--wait <seconds>", "how long to wait for a stream that isn't there yet", secondsArgument, 0)
    .option("--json", "print every chunk as one line of JSON")
    .addOption(giveUpAfterOption())
    .addOption(edgeOption())
    .addHelpText(
      "after",
      `
Text and JSON go to stdout, everything else to stderr. A lost connection is taken up
again where it broke off: every chunk is printed once.

Examples:
  sluice tail demo
  sluice tail demo --from 50 | head -1
  sluice tail demo --json | jq -r 'select(.chunk_type.type == "Text").chunk_type.content'`,
    )
    .action(async (streamId: string, options: Options) => {
      onExitCode(
        await tail(
          {
            edgeUrl: options.edge,
            streamId,
            from: options.from,
            waitSeconds: options.wait,
            giveUpAfterMs: options.giveUpAfter * 1000,
            signal: interrupts.first,
          },
          { asJson: options.json === true, terminal },
        ),
      );
    });
};

const addAsk: AddCommand = (program, { terminal, stdin, interrupts }, onExitCode) => {
  interface Options extends Addresses, Reading {
    id?: string;
  }
  program
    .command("ask")
    .description("put a prompt to a worker and print its answer as it comes")
    .argument("<prompt...>", "the prompt; - reads it from stdin")
    .option("--id <id>", "the answer's stream id; a random one if absent", streamIdArgument)
    .option("--json", "print every chunk as one line of JSON")
    .addOption(giveUpAfterOption())
    .addOption(gatewayOption())
    .addOption(edgeOption())
    .addHelpText(
      "after",
      `
Examples:
  sluice ask "How do I resume a stream?"
  git diff | sluice ask - > review.md`,
    )
    .action(async (words: string[], options: Options) => {
      const given = words.join(" ");
      const prompt = (given === "-" ? await readAll(stdin, interrupts.first) : given).trim();
      if (prompt === "") throw new CliError(EXIT.usage, "the prompt is empty");
      const { streamId } = await gatewayClient(options, interrupts).ask(prompt, options.id);
      terminal.note(`stream  ${streamId}`);
      onExitCode(
        await tail(
          {
            edgeUrl: options.edge,
            streamId,
            from: 1,
            waitSeconds: NEW_STREAM_WAIT_SECONDS,
            giveUpAfterMs: options.giveUpAfter * 1000,
            signal: interrupts.first,
          },
          { asJson: options.json === true, terminal },
        ),
      );
    });
};

const addCreate: AddCommand = (program, { terminal, interrupts }) => {
  program
    .command("create")
    .description("create an empty stream and print its id")
    .option("--id <id>", "its id; a random one if absent", streamIdArgument)
    .addOption(gatewayOption())
    .addHelpText("after", "\nExample:\n  id=$(sluice create) && sluice tail $id")
    .action(async (options: { id?: string; gateway: string }) => {
      const { streamId, urls } = await gatewayClient(options, interrupts).createStream(options.id);
      await terminal.write(`${streamId}\n`);
      for (const [name, url] of Object.entries(urls)) terminal.note(`${name.padEnd(7)} ${url}`);
    });
};

const addStatus: AddCommand = (program, { terminal, interrupts }) => {
  program
    .command("status")
    .description("print how a stream stands")
    .argument("<id>", "the stream", streamIdArgument)
    .option("--json", "as one line of JSON")
    .addOption(gatewayOption())
    .addHelpText("after", "\nExample:\n  sluice status demo --json | jq .head_sequence")
    .action(async (streamId: string, options: { json?: true; gateway: string }) => {
      const client = gatewayClient(options, interrupts);
      await printStatus(streamId, { client, terminal, asJson: options.json === true });
    });
};
