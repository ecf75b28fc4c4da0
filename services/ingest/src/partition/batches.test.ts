import type { StoredMessage } from "@sluice/core";
import { bareMessage } from "@sluice/testing";
import { expect, test } from "vitest";
import { batchesOf } from "./batches.ts";

const stored = (brokerSequence: number, elements: number): StoredMessage =>
  bareMessage(JSON.stringify(Array.from({ length: elements }, () => ({ type: "Text", content: "x" }))), {
    brokerSequence,
  });

test("small messages that arrived together are one batch", () => {
  const messages = Array.from({ length: 512 }, (_, index) => stored(index, 2));
  expect([...batchesOf(messages, 1024)].map((batch) => batch.entries.length)).toEqual([512]);
});

test("messages of many chunks are cut into batches of some thousand chunks, in order, none lost or split", () => {
  const messages = Array.from({ length: 50 }, (_, index) => stored(index, 1_024));
  const batches = [...batchesOf(messages, 1024)];
  expect(batches.flatMap((batch) => batch.messages)).toEqual(messages);
  for (const { messages: part, entries } of batches) {
    expect(entries.map((entry) => entry.brokerSequence)).toEqual(
      part.map((message) => message.brokerSequence),
    );
    expect(entries.reduce((sum, entry) => sum + entry.elements.length, 0)).toBeLessThanOrEqual(4_096);
  }
});

test("no messages are no batch", () => {
  expect([...batchesOf([], 1024)]).toEqual([]);
});
