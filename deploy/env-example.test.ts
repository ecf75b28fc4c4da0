import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { createRegistry, field, oldNameOf } from "@sluice/runtime";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { envExample } from "./env-example.ts";
import { REPOSITORY } from "./local/paths.ts";
import { SERVICE_CATALOG } from "./service-catalog.ts";

test(".env.example is what `npm run env-example` prints", () => {
  expect(readFileSync(join(REPOSITORY, ".env.example"), "utf8")).toBe(envExample());
});

test("each service that has settings is in the catalog that .env.example is printed from", () => {
  const services = join(REPOSITORY, "services");
  const withSettings = readdirSync(services).filter((name) =>
    readdirSync(join(services, name, "src")).includes("config.ts"),
  );
  expect([...SERVICE_CATALOG.keys()].toSorted()).toEqual(withSettings.toSorted());
});

test("a setting without a description can't be printed", () => {
  const schema = z.object({ PORT: field.port(1) });
  const catalog = new Map([["edge", { schema, registry: createRegistry("edge"), figures: {} as never }]]);
  expect(() => envExample(catalog)).toThrow("PORT of edge has no description");
});

describe.each([...SERVICE_CATALOG])("of %s", (_service, { schema }) => {
  test("no old name of a setting is the name of another one", () => {
    const oldNames = Object.values(schema.shape).flatMap((setting) => oldNameOf(setting) ?? []);
    expect(oldNames.filter((name) => name in schema.shape)).toEqual([]);
  });

  test("each duration in ms is bounded by what a timer can wait", () => {
    const durations = Object.keys(schema.shape).filter((name) => name.endsWith("_MS"));
    const tooLong = Object.fromEntries(durations.map((name) => [name, "2147483648"]));
    const refused = new Set(schema.safeParse(tooLong).error?.issues.map(({ path }) => path[0]));
    expect(durations.length).toBeGreaterThan(0);
    expect(refused).toEqual(new Set(durations));
  });
});
