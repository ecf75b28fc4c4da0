import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { withInstallLock } from "./install-lock.ts";
import { runCommand } from "./run-command.ts";
import { isAtLeast, parseVersion } from "./version.ts";

const VERSION_TIMEOUT_MS = 5_000;

/** One way to get a program onto this machine, tried after PATH and Sluice's own cache. */
export interface InstallWay {
  /** Title in the words a user reads: "download nats-server 2.12.15 from its release page". */
  readonly title: string;
  /**
   * Puts the program somewhere and returns its path. Bounded in time, reports what takes long.
   * @throws Error with the reason in one line, after which the next way is tried
   */
  install(context: InstallContext): Promise<string>;
}

export interface InstallContext {
  /** Exists while an installation runs; what is put here is found again by the next run. */
  readonly cacheDirectory: string;
  readonly report: (line: string) => void;
}

export interface ServerProgram {
  readonly name: string;
  readonly minimumVersion: string;
  /** Ways in order of preference. */
  readonly ways: readonly InstallWay[];
  /** Advice to a user when no way works: one command or address a line. */
  readonly byHand: readonly string[];
}

export interface ServerBinary {
  readonly path: string;
  readonly version: string;
  readonly origin: "path" | "cache" | "installed";
}

export interface FindBinaryOptions {
  readonly cacheDirectory?: string;
  readonly report?: (line: string) => void;
  readonly searchPath?: string;
  /** The version of the program at a path; undefined when it isn't there or doesn't run. */
  readonly readVersion?: (path: string) => Promise<string | undefined>;
  /** Runs the installation while no other process installs the same program. */
  readonly exclusively?: typeof withInstallLock;
}

/** No way gave a usable program. The message lists each way with its reason, and how to get it by hand. */
export class ServerUnavailableError extends Error {
  readonly program: string;
  readonly byHand: readonly string[];

  constructor(program: ServerProgram, attempts: readonly string[]) {
    const lines = [
      `${program.name} ${program.minimumVersion} or newer is needed and could not be had:`,
      ...attempts.map((attempt) => `  - ${attempt}`),
      "To get it by hand:",
      ...program.byHand.map((line) => `  ${line}`),
    ];
    super(lines.join("\n"));
    this.name = "ServerUnavailableError";
    this.program = program.name;
    this.byHand = program.byHand;
  }
}

/** `.sluice/bin` under the repository root. */
export const DEFAULT_CACHE_DIRECTORY = fileURLToPath(new URL("../../../.sluice/bin", import.meta.url));

/**
 * Finds a program, or installs it: PATH, then the cache, then each of its ways.
 * A program that is too old is passed over with a word. Two processes don't install the same program at once: the
 * second waits, then finds it in the cache.
 * @throws ServerUnavailableError
 */
export async function findServerBinary(
  program: ServerProgram,
  options: FindBinaryOptions = {},
): Promise<ServerBinary> {
  const cacheDirectory = options.cacheDirectory ?? DEFAULT_CACHE_DIRECTORY;
  const report = options.report ?? reportToStderr;
  const readVersion = options.readVersion ?? readProgramVersion;
  const attempts: string[] = [];

  const usable = async (path: string, origin: ServerBinary["origin"]): Promise<ServerBinary | undefined> => {
    const version = await readVersion(path);
    if (version === undefined) return undefined;
    if (isAtLeast(version, program.minimumVersion)) return { path, version, origin };
    const reason = `${path} is ${version}, older than ${program.minimumVersion}`;
    if (!attempts.includes(reason)) {
      attempts.push(reason);
      report(`${program.name}: ${reason}; looking further`);
    }
    return undefined;
  };

  for (const directory of (options.searchPath ?? process.env["PATH"] ?? "").split(delimiter)) {
    if (directory === "") continue;
    const found = await usable(join(directory, executableName(program.name)), "path");
    if (found !== undefined) return found;
  }
  if (attempts.length === 0) attempts.push("not on PATH");

  const cachedPath = join(cacheDirectory, executableName(program.name));
  const cached = await usable(cachedPath, "cache");
  if (cached !== undefined) return cached;

  return (options.exclusively ?? withInstallLock)(
    join(cacheDirectory, `${program.name}.lock`),
    async () => {
      const installedMeanwhile = await usable(cachedPath, "cache");
      if (installedMeanwhile !== undefined) return installedMeanwhile;
      for (const way of program.ways) {
        report(`${program.name}: ${way.title}`);
        try {
          const path = await way.install({ cacheDirectory, report });
          const installed = await usable(path, "installed");
          if (installed !== undefined) return installed;
          attempts.push(`${way.title}: it gave no usable program at ${path}`);
        } catch (error) {
          const reason = error instanceof Error ? error.message : String(error);
          attempts.push(`${way.title}: ${reason}`);
          report(`  not possible: ${reason}`);
        }
      }
      throw new ServerUnavailableError(program, attempts);
    },
    {
      onWait: (pid) =>
        report(
          `${program.name}: another process${pid === undefined ? "" : ` (${pid})`} is installing it; waiting`,
        ),
    },
  );
}

export function executableName(name: string): string {
  return process.platform === "win32" ? `${name}.exe` : name;
}

async function readProgramVersion(path: string): Promise<string | undefined> {
  try {
    await access(path, constants.X_OK);
    return parseVersion(await runCommand(path, ["--version"], { timeoutMs: VERSION_TIMEOUT_MS }));
  } catch {
    return undefined;
  }
}

function reportToStderr(line: string): void {
  process.stderr.write(`${line}\n`);
}
