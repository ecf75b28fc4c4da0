import { fetchEventSource } from "@microsoft/fetch-event-source";
import { createClient } from "@sluice/client";
import { EventSource } from "eventsource";
import { serve } from "../src/actor.ts";

export interface SseLibraries {
  /** Reads the stream to its end. @returns what it took */
  read(options: { library: Library; url: string }): Promise<Reading>;
}

export interface Reading {
  /** Parsed chunks that the application was given. */
  chunks: number;
  seconds: number;
  cpuMicros: number;
}

type Read = (url: string, onChunk: (chunk: { sequence: number }) => void) => Promise<void>;

// It is made for browsers, and looks for one.
Object.assign(globalThis, { window: globalThis, document: new EventTarget() });

const CHUNK_EVENTS = ["text", "complete"];

/** Each as its own documentation has it; the same chunks, parsed, in the same callback. */
const LIBRARIES = {
  "@sluice/client, callback": async (edgeUrl, onChunk) => {
    const stream = createClient({ edgeUrl }).stream("s");
    stream.on("chunk", onChunk);
    await new Promise((resolve) => stream.on("end", resolve));
  },
  "@sluice/client, for await": async (edgeUrl, onChunk) => {
    for await (const chunk of createClient({ edgeUrl }).stream("s")) onChunk(chunk);
  },
  eventsource: (url, onChunk) =>
    new Promise((resolve) => {
      const source = new EventSource(`${url}/streams/s/events`);
      for (const name of CHUNK_EVENTS) {
        source.addEventListener(name, (event) => {
          onChunk(JSON.parse(event.data as string) as { sequence: number });
          if (name !== "complete") return;
          source.close();
          resolve();
        });
      }
    }),
  "@microsoft/fetch-event-source": (url, onChunk) =>
    fetchEventSource(`${url}/streams/s/events`, {
      openWhenHidden: true,
      // Else it tries again, for ever.
      onerror(error) {
        throw error;
      },
      onmessage: ({ event, data }) => {
        if (CHUNK_EVENTS.includes(event)) onChunk(JSON.parse(data) as { sequence: number });
      },
    }),
} satisfies Record<string, Read>;

export type Library = keyof typeof LIBRARIES;

serve({
  async read({ library, url }) {
    let chunks = 0;
    const startedMs = performance.now();
    const before = process.cpuUsage();
    await LIBRARIES[library](url, ({ sequence }) => {
      chunks++;
      if (sequence !== chunks) throw new Error(`${library} gave ${sequence} after ${chunks - 1}`);
    });
    const { user, system } = process.cpuUsage(before);
    return { chunks, seconds: (performance.now() - startedMs) / 1000, cpuMicros: user + system };
  },
} satisfies SseLibraries);
