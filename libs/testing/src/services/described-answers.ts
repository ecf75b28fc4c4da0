import type { OpenApiDocument } from "@sluice/protocol";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";

/** Answer as a test has seen it. */
export interface SeenAnswer {
  method: string;
  /** Path with or without a query. */
  path: string;
  status: number;
  contentType: string | null;
  body: string;
}

/** Holds answers against an OpenAPI document: status, content type and body. */
export class DescribedAnswers {
  readonly #document: OpenApiDocument;
  readonly #ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
  readonly #paths: readonly { template: string; pattern: RegExp }[];

  constructor(document: OpenApiDocument) {
    this.#document = document;
    this.#ajv.addSchema({ ...document }, "document");
    this.#paths = Object.keys(document.paths)
      // Literal paths first, as in the document's own rules.
      .toSorted((a, b) => Number(a.includes("{")) - Number(b.includes("{")))
      .map((template) => ({
        template,
        pattern: new RegExp(`^${template.replace(/\{\w+\}/g, "[^/]+")}$`),
      }));
  }

  /** @throws Error that says in what the answer differs from its description; requests that aren't described pass */
  check(answer: SeenAnswer): void {
    const path = answer.path.split("?", 1)[0] ?? "";
    const template = this.#paths.find(({ pattern }) => pattern.test(path))?.template ?? "";
    const operation = this.#document.paths[template]?.[answer.method.toLowerCase()];
    if (operation === undefined) return;
    const responses = ["paths", template, answer.method.toLowerCase(), "responses"];
    // What nobody foresaw is described as the rest.
    const place = [...responses, answer.status === 500 ? "default" : String(answer.status)];
    const described = valueAt(this.#document, place) as { content?: object } | undefined;
    const what = `${answer.method} ${template}: ${answer.status}`;
    if (described === undefined) throw new Error(`${what} is not described`);

    const type = answer.contentType?.split(";", 1)[0] ?? "";
    if (described.content === undefined) {
      if (answer.body !== "") throw new Error(`${what} is described without a body`);
      return;
    }
    if (!(type in described.content)) throw new Error(`${what} is not described as ${type || "nothing"}`);
    if (type === "text/event-stream") return;
    const isLines = type === "application/x-ndjson";
    const texts = isLines ? answer.body.split("\n").filter((line) => line !== "") : [answer.body];
    const validate = this.#validator([...place, "content", type, "schema"]);
    for (const text of texts) {
      if (!validate(JSON.parse(text)))
        throw new Error(
          `${what} ${type} differs: ${this.#ajv.errorsText(validate.errors)} in ${text.slice(0, 300)}`,
        );
    }
  }

  #validator(place: readonly string[]): ValidateFunction {
    const pointer = place.map((part) => encodeURIComponent(part.replaceAll("~", "~0").replaceAll("/", "~1")));
    const validate = this.#ajv.getSchema(`document#/${pointer.join("/")}`);
    if (validate === undefined) throw new Error(`there is no schema at ${place.join(" ")}`);
    return validate as ValidateFunction;
  }
}

function valueAt(value: unknown, place: readonly string[]): unknown {
  return place.reduce<unknown>(
    (inner, name) => (inner as Record<string, unknown> | undefined)?.[name],
    value,
  );
}
