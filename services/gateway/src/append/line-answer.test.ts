import { EventEmitter } from "node:events";
import { StreamError } from "@sluice/core";
import type { Response } from "express";
import { expect, test } from "vitest";
import { LineAnswer } from "./line-answer.ts";

/** As much of a response as an answer in lines uses. */
class Socketless extends EventEmitter {
  readonly lines: unknown[] = [];
  writableNeedDrain = false;
  writableEnded = false;
  destroyed = false;
  hasBegun = false;
  status = (): this => this;
  type = (): this => this;
  setHeader = (): this => this;
  flushHeaders = (): void => void (this.hasBegun = true);
  write = (line: string): boolean => {
    this.lines.push(JSON.parse(line));
    return !this.writableNeedDrain;
  };
  end = (): void => void (this.writableEnded = true);
}

function start() {
  const response = new Socketless();
  return { response, answer: new LineAnswer(response as unknown as Response) };
}

const receipts = (...sequences: number[]) =>
  sequences.map((sequence) => ({ sequence, brokerSequence: 100 + sequence }));
const counts = (accepted: number, first: number, last: number) => ({
  accepted,
  first_sequence: first,
  last_sequence: last,
  broker_sequence: 100 + last,
});

test("begins before there is anything to tell", () => {
  expect(start().response.hasBegun).toBe(true);
});

test("what the socket doesn't take is told together once it does, each chunk once", () => {
  const { response, answer } = start();
  answer.acknowledge(receipts(1, 2), 2);
  response.writableNeedDrain = true;
  answer.acknowledge(receipts(3), 3);
  answer.acknowledge(receipts(4, 5), 6);
  expect(response.lines).toEqual([{ ...counts(2, 1, 2), line: 2 }]);
  response.writableNeedDrain = false;
  response.emit("drain");
  response.emit("drain");
  expect(response.lines.slice(1)).toEqual([{ ...counts(3, 3, 5), line: 6 }]);
  answer.acknowledge(receipts(6), 7);
  expect(response.lines.at(-1)).toEqual({ ...counts(1, 6, 6), line: 7 });
});

test("what is not told yet comes before the last line, a summary or a problem", () => {
  for (const end of ["finish", "fail"] as const) {
    const { response, answer } = start();
    response.writableNeedDrain = true;
    answer.acknowledge(receipts(1), 1);
    if (end === "finish") answer.finish({ stream_id: "s", ...counts(1, 1, 1) });
    else answer.fail(new StreamError("FENCED", "replaced"));
    expect(response.lines).toMatchObject([
      { accepted: 1, line: 1 },
      end === "finish" ? { stream_id: "s" } : { code: "FENCED" },
    ]);
    expect(response.writableEnded).toBe(true);
    answer.cancelled("requested");
    expect(response.lines.length).toBe(2);
  }
});

test("nothing is written to a connection that is gone", () => {
  const { response, answer } = start();
  response.destroyed = true;
  answer.acknowledge(receipts(1), 1);
  answer.fail(new StreamError("CONNECTION", "the sender went away"));
  expect(response.lines).toEqual([]);
});
