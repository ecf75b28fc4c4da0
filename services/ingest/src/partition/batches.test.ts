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
  expect([...batchesOf(messages, 1024)].map((batch) => batch.length)).toEqual([512]);
});

test("messages of many chunks are cut into batches of a thousand chunks, in order, none lost or split", () => {
  const messages = Array.from({ length: 50 }, (_, index) => stored(index, 1_024));
  const batches = [...batchesOf(messages, 1024)];
  expect(batches.flatMap((batch) => batch.map(({ message }) => message))).toEqual(messages);
  for (const batch of batches) {
    for (const { message, entry } of batch) expect(entry.brokerSequence).toBe(message.brokerSequence);
    expect(batch.reduce((sum, { entry }) => sum + entry.elements.length, 0)).toBeLessThanOrEqual(1_024);
  }
});

test("large messages are cut into batches of half a MiB, and one that is larger is a batch of its own", () => {
  const message = (brokerSequence: number, bytes: number): StoredMessage =>
    bareMessage(JSON.stringify({ type: "Text", content: "x".repeat(bytes) }), { brokerSequence });
  const sizes = [1_000, 900_000, 200_000, 200_000, 200_000, 1_000];
  const messages = sizes.map((bytes, index) => message(index, bytes));
  expect([...batchesOf(messages, 1024 * 1024)].map((batch) => batch.length)).toEqual([1, 1, 2, 2]);
});

test("messages of many streams are cut into batches of 128 streams", () => {
  const messages = Array.from({ length: 300 }, (_, index) =>
    bareMessage('{"type":"Text","content":"x"}', { brokerSequence: index, streamId: `s${index}` }),
  );
  expect([...batchesOf(messages, 1024)].map((batch) => batch.length)).toEqual([128, 128, 44]);
});

test("no messages are no batch", () => {
  expect([...batchesOf([], 1024)]).toEqual([]);
});
