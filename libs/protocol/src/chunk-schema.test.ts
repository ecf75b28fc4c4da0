import { CHUNK_TYPES, type ChunkMetadata, type ChunkType } from "@sluice/core";
import { expect, expectTypeOf, test } from "vitest";
import type { z } from "zod";
import { chunkTypeSchema, type chunkMetadataSchema } from "./chunk-schema.ts";

test("the schema takes the chunk types of core, each with its fields, and no other", () => {
  // Checked by `npm run types`: a type or a field that only one of the two has doesn't compile.
  expectTypeOf<z.output<typeof chunkTypeSchema>>().toEqualTypeOf<ChunkType>();
  expectTypeOf<z.output<typeof chunkMetadataSchema>>().toEqualTypeOf<ChunkMetadata>();

  const names = chunkTypeSchema.options.map(({ shape }) => shape.type.value);
  expect(names).toEqual(Object.keys(CHUNK_TYPES));
});
