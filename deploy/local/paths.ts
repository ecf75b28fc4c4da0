import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));

/** Where the launcher keeps what it makes; git ignores it. */
export interface Home {
  readonly directory: string;
  readonly stateFile: string;
  readonly logDirectory: string;
  readonly dataDirectory: string;
}

export function homeAt(directory: string): Home {
  return {
    directory,
    stateFile: join(directory, "run", "state.json"),
    logDirectory: join(directory, "logs"),
    dataDirectory: join(directory, "data"),
  };
}
