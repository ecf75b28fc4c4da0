/**
 * Characters that make a terminal do something, or show something else than was written: controls but line break and tab,
 * DEL, C1 controls, marks that turn the direction of writing, and the other line breaks of Unicode.
 */
const UNPRINTABLE =
  // oxlint-disable-next-line no-control-regex
  /[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069]/g;

/** Text that does nothing to a terminal. What would is shown as `\u001b`, in JSON still the same string. */
export function printable(text: string): string {
  return text.replaceAll("\r\n", "\n").replace(UNPRINTABLE, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** The same for a message of ours that quotes somebody: its further lines are set off, so that none looks like ours. */
export function printableMessage(text: string): string {
  return printable(text).replaceAll("\n", "\n  ");
}
