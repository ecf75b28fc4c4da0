import { readFileSync } from "node:fs";
import type { DocumentText } from "./document-sections.ts";

const ROOT = new URL("../../../", import.meta.url);
const DOCUMENTS = ["README.md", "libs/protocol/PROTOCOL.md"];

/** The documents that the built-in model reads from. One that an image leaves out is skipped. */
export function readDocuments(root: URL = ROOT): DocumentText[] {
  return DOCUMENTS.flatMap((name) => {
    try {
      return [{ name, text: readFileSync(new URL(name, root), "utf8") }];
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
      throw error;
    }
  });
}
