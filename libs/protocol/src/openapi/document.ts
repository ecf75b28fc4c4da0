import { STREAM_ERROR_CODES, StreamError, type StreamErrorCode } from "@sluice/core";
import { PROBLEM_CONTENT_TYPE } from "../problem.ts";
import type { Answer, Operation, Parameter } from "./operation.ts";
import { STREAM_ID } from "../stream-id-schema.ts";
import { namedSchemas, refTo } from "./schemas.ts";

const DESCRIPTIONS = {
  gateway: "HTTP for producers, and for whoever looks after streams.",
  edge: "Streams for readers, as server-sent events and in pages.",
};

// What stands in front of every route refuses with these.
const EVERYWHERE: readonly StreamErrorCode[] = [
  "INVALID_REQUEST",
  "INVALID_STREAM_ID",
  "REQUEST_TIMEOUT",
  "EXPECTATION_FAILED",
  "HEADERS_TOO_LARGE",
  "TOO_MANY_REQUESTS",
  "MISDIRECTED",
  "CROSS_SITE",
];

export interface OpenApiDocument {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, { responses: object }>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
  readonly [member: string]: unknown;
}

/** The description of one service in OpenAPI 3.1. PROTOCOL.md says what the words mean. */
export function openApiDocument(
  service: keyof typeof DESCRIPTIONS,
  operations: readonly Operation[],
): OpenApiDocument {
  const paths: Record<string, Record<string, { responses: object }>> = {};
  for (const operation of operations) {
    (paths[operation.path] ??= {})[operation.method.toLowerCase()] = describe(operation);
  }
  return {
    openapi: "3.1.1",
    info: {
      title: `Sluice ${service}`,
      version: "0.1.0",
      description: `${DESCRIPTIONS[service]} Normative is PROTOCOL.md.`,
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/" }],
    paths,
    components: { schemas: reachable(namedSchemas(), JSON.stringify(paths)) },
  };
}

function describe(operation: Operation): { responses: object } {
  const { body } = operation;
  return {
    operationId: operation.id,
    summary: operation.summary,
    parameters: [
      ...pathParameters(operation.path),
      ...(operation.query ?? []).map((parameter) => describeParameter("query", parameter)),
      ...(operation.headers ?? []).map((parameter) => describeParameter("header", parameter)),
    ],
    ...(body === undefined
      ? {}
      : { requestBody: { required: body.isRequired, content: describeContent(body.content) } }),
    responses: {
      ...Object.fromEntries(
        Object.entries(operation.answers).map(([status, answer]) => [status, describeAnswer(answer)]),
      ),
      ...describeProblems([...EVERYWHERE, ...operation.problems]),
      default: describeProblem("Anything else: INTERNAL, and codes of later versions"),
    },
  } as { responses: object };
}

function pathParameters(path: string): object[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: name === "streamId" ? STREAM_ID : { type: "string" },
  }));
}

function describeParameter(place: "query" | "header", parameter: Parameter): object {
  const { name, description, schema, isRepeated, isRequired } = parameter;
  return {
    name,
    in: place,
    description,
    ...(isRequired === true ? { required: true } : {}),
    schema: isRepeated === true ? { type: "array", items: schema, minItems: 1 } : schema,
    ...(isRepeated === true ? { style: "form", explode: true } : {}),
  };
}

function describeAnswer({ description, content, headers }: Answer): object {
  return {
    description,
    ...(content === undefined ? {} : { content: describeContent(content) }),
    ...(headers === undefined
      ? {}
      : {
          headers: Object.fromEntries(
            Object.entries(headers).map(([name, what]) => [
              name,
              { description: what, schema: { type: "string" } },
            ]),
          ),
        }),
  };
}

function describeContent(content: Readonly<Record<string, string | null>>): object {
  return Object.fromEntries(
    Object.entries(content).map(([type, name]) => [
      type,
      { schema: name === null ? {} : { $ref: refTo(name) } },
    ]),
  );
}

/** Groups refusals by status: several codes share one. */
function describeProblems(codes: readonly StreamErrorCode[]): Record<string, object> {
  const byStatus = Map.groupBy(new Set(codes), (code) => new StreamError(code, "").status);
  return Object.fromEntries(
    [...byStatus].map(([status, shared]) => [status, describeProblem(inOrder(shared).join(", "))]),
  );
}

function describeProblem(description: string): object {
  return { description, content: describeContent({ [PROBLEM_CONTENT_TYPE]: "Problem" }) };
}

function inOrder(codes: readonly StreamErrorCode[]): readonly StreamErrorCode[] {
  return STREAM_ERROR_CODES.filter((code) => codes.includes(code));
}

/** Collects the schemas that something refers to, directly or through another. */
function reachable(schemas: Readonly<Record<string, object>>, text: string): Record<string, object> {
  const found: Record<string, object> = {};
  const texts = [text];
  for (let next = texts.pop(); next !== undefined; next = texts.pop()) {
    for (const [, name = ""] of next.matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
      const schema = schemas[name];
      if (schema === undefined) throw new Error(`there is no schema ${name}`);
      if (name in found) continue;
      found[name] = schema;
      texts.push(JSON.stringify(schema));
    }
  }
  return found;
}
