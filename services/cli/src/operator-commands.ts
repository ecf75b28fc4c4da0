import { Option } from "commander";
import { gatewayOption, natsOption, sequenceArgument, streamIdArgument } from "./arguments.ts";
import { gatewayClient, readAll, type AddCommand } from "./command-context.ts";

/** Commands for whoever looks after a Sluice. What they need is loaded only where they run: the others start faster. */

export const addStreams: AddCommand = (program, { terminal, interrupts }) => {
  interface Options {
    status?: string;
    prefix?: string;
    cursor?: string;
    limit: number;
    json?: true;
    gateway: string;
  }
  program
    .command("streams")
    .description("list streams, the one with the newest chunk first")
    .addOption(
      new Option("--status <status>", "only those that stand so").choices([
        "open",
        "ended",
        "completed",
        "errored",
        "cancelled",
        "deleted",
      ]),
    )
    .option("--prefix <text>", "only those whose ids begin so")
    .option("--limit <count>", "how many", sequenceArgument, 20)
    .option("--cursor <cursor>", "go on where an earlier list ended")
    .option("--json", "print each as one line of JSON")
    .addOption(gatewayOption())
    .addHelpText(
      "after",
      `
Answered by a gateway with CONTROL_ENABLED, or by the admin port of any.

Examples:
  sluice streams --status open
  sluice streams --status errored --json | jq -r .stream_id`,
    )
    .action(async ({ status, prefix, cursor, limit, json, ...options }: Options) => {
      const { printStreams } = await import("./commands/streams.ts");
      const client = gatewayClient(options, interrupts);
      await printStreams({ status, prefix, cursor, limit }, { client, terminal, asJson: json === true });
    });
};

export const addServices: AddCommand = (program, { terminal, interrupts }) => {
  program
    .command("services")
    .description("print what each running process does")
    .option("--json", "print each as one line of JSON")
    .addOption(gatewayOption())
    .addHelpText(
      "after",
      `
Answered by a gateway with CONTROL_ENABLED, or by the admin port of any. Counters are
since the start of the process, lags and delays of the last seconds.

Examples:
  sluice services
  watch -n 2 sluice services`,
    )
    .action(async (options: { json?: true; gateway: string }) => {
      const { printServices } = await import("./commands/services.ts");
      const client = gatewayClient(options, interrupts);
      await printServices({ client, terminal, asJson: options.json === true });
    });
};

export const addRejected: AddCommand = (program, { terminal, stdin, interrupts }) => {
  interface ListOptions {
    nats: string;
    stream?: string;
    after: number;
    limit: number;
    json?: true;
  }
  interface ReplayOptions {
    nats: string;
    stdin?: true;
    fence?: true;
  }
  const rejected = program
    .command("rejected")
    .description("look at chunks that were refused, and write them again");
  rejected
    .command("list", { isDefault: true })
    .description("print what was refused and why, oldest first")
    .option("--stream <id>", "of this stream only", streamIdArgument)
    .option("--after <position>", "go on after this one", sequenceArgument, 0)
    .option("--limit <count>", "how many", sequenceArgument, 20)
    .option("--json", "print each as one line of JSON, with the whole element as a string")
    .addOption(natsOption())
    .addHelpText(
      "after",
      `
Each begins with its position, by which it is replayed. Kept for seven days.

Examples:
  sluice rejected
  sluice rejected --stream demo --json | jq -r .reason`,
    )
    .action(async (options: ListOptions) => {
      const { printRejected } = await import("./commands/rejected.ts");
      await printRejected(
        {
          natsUrl: options.nats,
          streamId: options.stream ?? null,
          after: options.after,
          limit: options.limit,
        },
        { terminal, asJson: options.json === true },
      );
    });
  rejected
    .command("replay")
    .description("write a refused element again, as new chunks at the end of its stream")
    .argument("<position>", "as `sluice rejected` prints it", sequenceArgument)
    .option("--stdin", "read what to write instead from stdin: a chunk, or an array of chunks")
    .option("--fence", "also where the stream's producer still writes, whose handle ends as FENCED by it")
    .addOption(natsOption())
    .addHelpText(
      "after",
      `
The placeholder that readers got for it stays; the chunks take new numbers. They are
checked as any producer's, so an element that is still malformed is refused again. A
stream that has ended takes nothing more. The element stays in the list.

Examples:
  sluice rejected replay 17
  sluice rejected list --json --after 16 --limit 1 | jq '.element | fromjson | .content |= tostring' |
    sluice rejected replay 17 --stdin`,
    )
    .action(async (position: number, options: ReplayOptions) => {
      const { replayRejected } = await import("./commands/rejected.ts");
      const replacement = options.stdin === true ? await readAll(stdin, interrupts.first) : null;
      await replayRejected(
        { natsUrl: options.nats, position, replacement, mayFence: options.fence === true },
        terminal,
      );
    });
};
