import type { Command } from "commander";
import type { FrameSource } from "../actors/frame-source.ts";
import type { Library, Reading, SseLibraries } from "../actors/sse-libraries.ts";
import { Actor } from "../src/actor.ts";
import { positiveNumber } from "../src/options.ts";
import { loadNow, report, rounded, type Row } from "../src/results.ts";

interface ClientBenchOptions {
  chunks: number;
  chunkBytes: number;
  rounds: number;
}

const LIBRARIES: readonly Library[] = [
  "@sluice/client, callback",
  "@sluice/client, for await",
  "eventsource",
  "@microsoft/fetch-event-source",
];

const COMPARED_WITH: Library = "eventsource";

export function addClientCommand(program: Command): void {
  program
    .command("client")
    .description("Reading: chunks/s parsed and delivered, beside other SSE clients.")
    .option("--chunks <chunks>", "of the stream that is read", positiveNumber, 100_000)
    .option("--chunk-bytes <bytes>", "JSON of one chunk", positiveNumber, 250)
    .option("--rounds <rounds>", "of all libraries by turns, after one to warm up", positiveNumber, 5)
    .action(measureClients);
}

async function measureClients(options: ClientBenchOptions): Promise<void> {
  await using source = Actor.start<FrameSource>("frame-source.ts");
  const url = await source.call("open", options);
  const readings = new Map<Library, Reading[]>(LIBRARIES.map((library) => [library, []]));
  for (let round = 0; round <= options.rounds; round++) {
    for (const library of LIBRARIES) {
      // A process each: what one leaves behind is not the next one's to clear away.
      await using reader = Actor.start<SseLibraries>("sse-libraries.ts");
      await reader.call("read", { library, url });
      const reading = await reader.call("read", { library, url });
      if (reading.chunks !== options.chunks + 1) throw new Error(`${library} gave ${reading.chunks} chunks`);
      if (round > 0) readings.get(library)?.push(reading);
    }
  }
  report({
    question: "client",
    settings: { ...options },
    rows: LIBRARIES.map((library) => rowOf(library, readings)),
    notes: [
      "median of the rounds, each in a process of its own, on its second reading of the stream",
      "a chunk counts when the application has it, parsed; the source runs beside it on the same machine",
      "@sluice/client also checks that the sequences are dense; the others leave that to the application",
    ],
  });
}

function rowOf(library: Library, readings: ReadonlyMap<Library, readonly Reading[]>): Row {
  const rate = (of: Library): number =>
    median((readings.get(of) ?? []).map(({ chunks, seconds }) => chunks / seconds));
  const cpu = (of: Library): number =>
    median((readings.get(of) ?? []).map(({ chunks, cpuMicros }) => cpuMicros / chunks));
  return {
    case: library,
    "chunks/s": rounded(rate(library)),
    "µs CPU a chunk": rounded(cpu(library)),
    [`chunks/s ÷ ${COMPARED_WITH}`]: rounded(rate(library) / rate(COMPARED_WITH)),
    [`CPU ÷ ${COMPARED_WITH}`]: rounded(cpu(library) / cpu(COMPARED_WITH)),
    load: loadNow(),
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN;
}
