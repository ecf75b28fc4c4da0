import { join } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { REPOSITORY } from "./paths.ts";

export interface StartOptions {
  readonly detach: boolean;
  /** True: asked for; false: refused; undefined: where the servers can't be had. */
  readonly embedded: boolean | undefined;
  readonly port: number;
  readonly gatewayPort: number;
  readonly autoPorts: boolean;
  /** Address that edge and gateway bind to. */
  readonly host: string;
  readonly ingest: number;
  readonly edges: number;
  readonly tokensPerSecond: number | undefined;
  readonly firstAnswer: boolean;
  readonly home: string;
  readonly services: string;
  /** Set by --detach for the process it leaves behind. */
  readonly background: boolean;
}

const DEFAULT_HOME = join(REPOSITORY, ".sluice");

export function parseStartOptions(args: readonly string[]): StartOptions {
  const command = new Command("npm start --")
    .description("Runs all of Sluice on this machine and streams a first answer through it.")
    .option("-d, --detach", "leave it running in the background and return when it is ready", false)
    .option("--embedded", "one process on in-memory stand-ins, without NATS and Redis")
    .option("--no-embedded", "never fall back to that")
    .option("--port <port>", "port of the edge, shared by all its processes", port, 8080)
    .option("--gateway-port <port>", "port of the gateway", port, 8081)
    .option("--host <address>", "address of edge and gateway; 0.0.0.0 lets other machines in", "127.0.0.1")
    .option("--auto-ports", "free ports instead of those that are taken", false)
    .option("--ingest <count>", "how many ingest processes", count, 2)
    .option("--edges <count>", "how many edge processes", count, 2)
    .option("--tokens-per-second <rate>", "speed of the worker's built-in model", positive)
    .option("--no-first-answer", "don't stream an answer before it says it is ready")
    .addOption(homeOption())
    .addOption(new Option("--services <directory>").default(join(REPOSITORY, "services")).hideHelp())
    .addOption(new Option("--background").default(false).hideHelp());
  command.parse(args, { from: "user" });
  const given = command.opts<Omit<StartOptions, "embedded" | "tokensPerSecond">>();
  return {
    ...given,
    embedded:
      command.getOptionValueSource("embedded") === "cli"
        ? Boolean(command.getOptionValue("embedded"))
        : undefined,
    tokensPerSecond: command.getOptionValue("tokensPerSecond") as number | undefined,
  };
}

export interface StatusOptions {
  readonly json: boolean;
  readonly home: string;
}

export function parseStatusOptions(args: readonly string[]): StatusOptions {
  const command = new Command("npm run status --")
    .description("Shows what runs here. Exits with 1 when nothing does.")
    .option("--json", "one JSON object", false)
    .addOption(homeOption());
  return command.parse(args, { from: "user" }).opts<StatusOptions>();
}

export interface StopOptions {
  readonly home: string;
}

export function parseStopOptions(args: readonly string[]): StopOptions {
  const command = new Command("npm run stop --")
    .description("Ends what npm start left running.")
    .addOption(homeOption());
  return command.parse(args, { from: "user" }).opts<StopOptions>();
}

function homeOption(): Option {
  return new Option(
    "--home <directory>",
    "where state, logs and data are kept; another one runs another Sluice beside this",
  ).default(DEFAULT_HOME, ".sluice");
}

function port(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 65_535) return value;
  throw new InvalidArgumentError("A port is a number from 1 to 65535.");
}

// Each process costs about 60 MB here; a slip of the finger must not take the machine down.
const MAX_PROCESSES = 32;

function count(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= MAX_PROCESSES) return value;
  throw new InvalidArgumentError(`Give a number from 1 to ${MAX_PROCESSES}.`);
}

function positive(text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError("Give a number above 0.");
}
