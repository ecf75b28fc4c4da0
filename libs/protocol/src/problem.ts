import { StreamError } from "@sluice/core";

export const PROBLEM_CONTENT_TYPE = "application/problem+json";

/** RFC 9457. `code` is what programs branch on, `detail` says what to mend. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  code: string;
  detail: string;
  [extension: string]: unknown;
}

/** Details can't replace the members of the standard. Anything that isn't a StreamError is told without its message: it may hold what clients must not see. */
export function problemOf(error: unknown): Problem {
  if (error instanceof StreamError) {
    return {
      ...error.details,
      type: `urn:sluice:problem:${error.code.toLowerCase()}`,
      title: error.code.toLowerCase().replaceAll("_", " "),
      status: error.status,
      code: error.code,
      detail: error.message,
    };
  }
  return {
    type: "about:blank",
    title: "internal error",
    status: 500,
    code: "INTERNAL",
    detail: "Something went wrong here; it is in the log.",
  };
}
