import { CHUNK_TYPES } from "@sluice/core";
import { expect, test } from "vitest";
import { isChunkEvent } from "./chunks.ts";

test("the event of each chunk type that takes a number carries a chunk, and no other event does", () => {
  for (const [type, { isNumbered }] of Object.entries(CHUNK_TYPES)) {
    expect(isChunkEvent(type.toLowerCase()), type).toBe(isNumbered);
  }
  for (const name of ["message", "gap", "deleted", "rejected", "Text", "", "constructor"]) {
    expect(isChunkEvent(name), name).toBe(false);
  }
});
