import { readFileSync } from "node:fs";
import { Validator } from "@seriousme/openapi-schema-validator";
import { describe, expect, it } from "vitest";
import { CONTROL_OPERATIONS } from "./control-operations.ts";
import { openApiDocument } from "./document.ts";
import { EDGE_OPERATIONS } from "./edge-operations.ts";
import { GATEWAY_OPERATIONS } from "./gateway-operations.ts";
import type { Operation } from "./operation.ts";

const PAGE = readFileSync(new URL("../../PROTOCOL.md", import.meta.url), "utf8");

/** As PROTOCOL.md writes it: `GET /streams/:id`. */
const nameOf = ({ method, path }: Operation): string =>
  `${method} ${path.replace("{streamId}", ":id").replace("{connectionId}", ":cid")}`;

/** The first cells of the tables of a section, where they name a request. */
function requestsIn(section: string): string[] {
  const from = PAGE.indexOf(`\n## ${section}`);
  const text = PAGE.slice(from, PAGE.indexOf("\n## ", from + 1));
  return [...text.matchAll(/^\| `((?:GET|POST|DELETE) [^`?]+)[`?]/gm)].map(([, name]) => name ?? "");
}

/** With what it shows operators. */
const ALL_OF_GATEWAY = [...GATEWAY_OPERATIONS, ...CONTROL_OPERATIONS];

describe.each([
  ["gateway", ALL_OF_GATEWAY],
  ["edge", EDGE_OPERATIONS],
] as const)("the description of the %s", (service, operations) => {
  it("is valid OpenAPI 3.1", async () => {
    const document = structuredClone(openApiDocument(service, operations));
    expect(await new Validator().validate(document)).toEqual({ valid: true });
  });

  it("names each operation once", () => {
    const ids = operations.map(({ id }) => id);
    const names = operations.map(nameOf);
    expect(new Set(ids).size).toBe(ids.length);
    expect(new Set(names).size).toBe(names.length);
  });

  it("contains only what something refers to, and everything that is referred to", () => {
    const document = openApiDocument(service, operations);
    const referred = [...JSON.stringify(document).matchAll(/#\/components\/schemas\/(\w+)/g)];
    expect(new Set(referred.map(([, name]) => name))).toEqual(
      new Set(Object.keys(document.components.schemas)),
    );
  });
});

it("PROTOCOL.md's tables of requests to the gateway name the same requests", () => {
  expect(requestsIn("6. Publishing").toSorted()).toEqual(ALL_OF_GATEWAY.map(nameOf).toSorted());
});

it("PROTOCOL.md names each request to the edge, and its tables name no other", () => {
  const names = EDGE_OPERATIONS.map(nameOf);
  const isNamed = (name: string): boolean => ["`", "?", ","].some((end) => PAGE.includes(`\`${name}${end}`));
  expect(names.filter((name) => !isNamed(name))).toEqual([]);
  for (const name of requestsIn("7. Reading")) expect(names).toContain(name);
});
