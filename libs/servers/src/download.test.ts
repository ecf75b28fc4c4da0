import { describe, expect, test } from "vitest";
import { verifySha256 } from "./download.ts";

const HELLO_SHA256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

describe("a download", () => {
  test("with the pinned checksum is taken", () => {
    expect(() => verifySha256(Buffer.from("hello"), HELLO_SHA256)).not.toThrow();
    expect(() => verifySha256(Buffer.from("hello"), HELLO_SHA256.toUpperCase())).not.toThrow();
  });

  test("with any other content is refused, naming both sums", () => {
    expect(() => verifySha256(Buffer.from("hello!"), HELLO_SHA256)).toThrow(/checksum is wrong: .*2cf24dba/);
  });
});
