import { Writable } from "node:stream";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { printable, printableMessage } from "./printable.ts";
import { Terminal } from "./terminal.ts";

/** Characters that some terminal acts on. */
// oxlint-disable-next-line no-control-regex
const HARMFUL = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

const ATTACKS = [
  "\x1b]52;c;ZXZpbA==\x07", // The clipboard.
  "\x1b[2J\x1b[H", // The screen.
  "\x1b]0;title\x1b\\",
  "\x9b31m", // CSI in one character.
  "\x9d52;c;x\x9c",
  "\x1bP$q\x1b\\",
  "done\rsluice: all is well",
  "\b\b\b\x7f",
  "a\u202Etxt.exe",
  "\u2066\u2069\u200f\u061c",
  "\x0c\x0b\x00",
];

test("nothing that a terminal acts on is left of any text, and all else is as it was", () => {
  for (const attack of ATTACKS) expect(printable(attack)).not.toMatch(HARMFUL);
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      expect(printable(text)).not.toMatch(HARMFUL);
      expect(printable(text) === text).toBe(!HARMFUL.test(text));
    }),
  );
  expect(printable("a\tb\r\nc 流 🌊 é")).toBe("a\tb\nc 流 🌊 é");
});

test("what would act is shown, and JSON stays the same JSON", () => {
  expect(printable("\x1b[31m")).toBe("\\u001b[31m");
  const json = JSON.stringify({ a: ATTACKS });
  expect(JSON.parse(printable(json))).toEqual({ a: ATTACKS });
});

test("no line of somebody else begins as one of ours", () => {
  expect(printableMessage("failed\nsluice: all is well")).toBe("failed\n  sluice: all is well");
});

function terminalOf(isTTY: { stdout: boolean; stderr: boolean }) {
  const written = { stdout: "", stderr: "" };
  const streamOf = (name: "stdout" | "stderr") =>
    Object.assign(
      new Writable({
        write(bytes: Buffer, _encoding, done) {
          written[name] += bytes.toString();
          done();
        },
      }),
      { isTTY: isTTY[name] },
    );
  const terminal = new Terminal({ stdout: streamOf("stdout"), stderr: streamOf("stderr"), noColor: true });
  return { terminal, written };
}

describe.each(ATTACKS)("%j", (attack) => {
  test("reaches no terminal as content, and a pipe byte for byte", async () => {
    const seen = terminalOf({ stdout: true, stderr: true });
    await seen.terminal.write(attack);
    expect(seen.written.stdout).not.toMatch(HARMFUL);
    const piped = terminalOf({ stdout: false, stderr: true });
    await piped.terminal.write(attack);
    expect(piped.written.stdout).toBe(attack);
  });

  test("is in no note, warning or failure, wherever that goes", () => {
    for (const isTTY of [true, false]) {
      const { terminal, written } = terminalOf({ stdout: isTTY, stderr: isTTY });
      for (const say of ["note", "warn", "fail"] as const) terminal[say](`${attack}\n${attack}`);
      expect(written.stderr.replaceAll("\n", "")).not.toMatch(HARMFUL);
    }
  });
});

test("a command's own output is passed on to the terminal that it was started from, colours and all", async () => {
  const { terminal, written } = terminalOf({ stdout: true, stderr: true });
  await terminal.echo(Buffer.from("\x1b[32mok\x1b[0m\n"));
  expect(written.stdout).toBe("\x1b[32mok\x1b[0m\n");
});
