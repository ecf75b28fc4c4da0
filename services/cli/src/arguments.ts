import { isStreamId } from "@sluice/core";
import { InvalidArgumentError, Option } from "commander";

/** Parsers that commander calls with an argument's text; the message of an error that they throw is shown. */

export function streamIdArgument(text: string): string {
  if (isStreamId(text)) return text;
  throw new InvalidArgumentError("A stream id is 1 to 128 of A-Z a-z 0-9 _ and -.");
}

export function sequenceArgument(text: string): number {
  const value = Number(text);
  if (/^\d{1,16}$/.test(text) && value >= 1 && Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError("A sequence is a whole number from 1 on.");
}

/** Most that a timer takes, s. */
const MAX_SECONDS = 2_000_000;

export function secondsArgument(text: string): number {
  const value = Number(text);
  if (/^\d+(\.\d+)?$/.test(text) && value <= MAX_SECONDS) return value;
  throw new InvalidArgumentError("Give seconds, such as 2.5.");
}

export function millisecondsArgument(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value <= MAX_SECONDS * 1000) return value;
  throw new InvalidArgumentError("Give whole milliseconds.");
}

export function urlArgument(text: string): string {
  if (URL.canParse(text) && /^https?:\/\//i.test(text)) return text.replace(/\/+$/, "");
  throw new InvalidArgumentError("Give an address such as http://127.0.0.1:8080.");
}

export const edgeOption = (): Option =>
  new Option("--edge <url>", "where streams are read")
    .env("SLUICE_EDGE_URL")
    .default("http://127.0.0.1:8080")
    .argParser(urlArgument);

export const gatewayOption = (): Option =>
  new Option("--gateway <url>", "where streams are written")
    .env("SLUICE_GATEWAY_URL")
    .default("http://127.0.0.1:8081")
    .argParser(urlArgument);

export const natsOption = (): Option =>
  new Option("--nats <url>", "where the log is").env("NATS_URL").default("nats://127.0.0.1:4222");

export const giveUpAfterOption = (): Option =>
  new Option("--give-up-after <seconds>", "how long to go on trying without success; 0: for ever")
    .default(60)
    .argParser(secondsArgument);
