import { StreamError } from "@sluice/core";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeResumeToken, encodeResumeToken, parseSequence } from "./resume-token.ts";

const streamId = fc.stringMatching(/^[A-Za-z0-9_-]{1,128}$/);
const sequence = fc.nat(Number.MAX_SAFE_INTEGER);

describe("resume tokens", () => {
  it("are those of the original client API: what a browser's btoa makes of <id>:<sequence>", () => {
    fc.assert(
      fc.property(streamId, sequence, (streamId, sequence) => {
        const token = btoa(`${streamId}:${sequence}`);
        expect(encodeResumeToken(streamId, sequence)).toBe(token);
        expect(decodeResumeToken(token)).toEqual({ streamId, sequence });
      }),
    );
  });

  it("may come without padding, and as base64url", () => {
    fc.assert(
      fc.property(streamId, sequence, (streamId, sequence) => {
        const token = Buffer.from(`${streamId}:${sequence}`).toString("base64url");
        expect(decodeResumeToken(token)).toEqual({ streamId, sequence });
      }),
    );
  });

  it("are refused with a code where they hold anything else", () => {
    const contents = [
      "",
      "abc",
      "abc:",
      ":5",
      "abc:-1",
      "abc:1.5",
      "abc:1e3",
      "abc: 5",
      "abc:5 ",
      "abc:0x5",
      "abc:9007199254740992",
    ];
    const foreign = [
      "abc:99999999999999999",
      "a.b:5",
      "a:b:5",
      "ä:5",
      "💥:5",
      "x".repeat(129) + ":5",
      "abc:٥",
    ];
    const tokens = [...contents, ...foreign].map((content) => Buffer.from(content).toString("base64"));
    for (const token of [...tokens, "abc:5", "%%%", "YWJjOjU=\n", "YWJj OjU=", "YWJjOjU==="]) {
      expect(() => decodeResumeToken(token), token).toThrow(
        expect.objectContaining({ code: "INVALID_RESUME_TOKEN" }),
      );
    }
  });

  it("never fail otherwise", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (token) => {
        const outcome = (): unknown => {
          try {
            return decodeResumeToken(token);
          } catch (error) {
            return error instanceof StreamError;
          }
        };
        expect(outcome()).toBeTruthy();
      }),
    );
  });
});

describe("parseSequence", () => {
  it("takes decimal digits up to 2^53 - 1 and nothing else", () => {
    expect([parseSequence("0"), parseSequence("42"), parseSequence("9007199254740991")]).toEqual([
      0,
      42,
      2 ** 53 - 1,
    ]);
    for (const text of ["", " 1", "1 ", "+1", "-1", "1.0", "1e2", "0x1", "9007199254740992", "NaN", "１"]) {
      expect(parseSequence(text), text).toBeNull();
    }
  });
});
