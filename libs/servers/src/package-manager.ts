import { rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { runCommand } from "./run-command.ts";
import type { InstallContext, InstallWay } from "./server-binary.ts";

const BREW_TIMEOUT_MS = 300_000;
const APT_TIMEOUT_MS = 180_000;
const QUICK_TIMEOUT_MS = 5_000;

export function installWithBrew(formula: string, program: string): InstallWay {
  return {
    title: `brew install ${formula}`,
    async install({ report }: InstallContext): Promise<string> {
      if (process.platform !== "darwin") throw new Error("only on macOS");
      await runCommand("brew", ["install", "--quiet", formula], {
        timeoutMs: BREW_TIMEOUT_MS,
        env: { ...process.env, HOMEBREW_NO_AUTO_UPDATE: "1" },
        onLine: (line) => report(`  ${line}`),
      });
      const prefix = await runCommand("brew", ["--prefix"], { timeoutMs: QUICK_TIMEOUT_MS });
      return join(prefix.trim(), "bin", program);
    },
  };
}

export interface AptInstall {
  readonly aptPackage: string;
  /** The file of the package that is the program. */
  readonly file: string;
  /** The name it is linked under in the cache: what it does may depend on the name it is called by. */
  readonly program: string;
}

/** Installs a Debian package as root, or through sudo where that asks for no password. */
export function installWithApt({ aptPackage, file, program }: AptInstall): InstallWay {
  return {
    title: `apt-get install ${aptPackage}`,
    async install({ cacheDirectory, report }: InstallContext): Promise<string> {
      if (process.platform !== "linux") throw new Error("only on Debian and its kin");
      await runCommand("apt-get", ["--version"], { timeoutMs: QUICK_TIMEOUT_MS });
      const prefix = await rootPrefix();
      const apt = async (...args: string[]): Promise<void> => {
        // RUNLEVEL=1 keeps Debian's maintainer scripts from starting a system service.
        const command = [
          ...prefix,
          "env",
          "DEBIAN_FRONTEND=noninteractive",
          "RUNLEVEL=1",
          "apt-get",
          "-q",
          ...args,
        ];
        const [head = "env", ...rest] = command;
        await runCommand(head, rest, { timeoutMs: APT_TIMEOUT_MS });
      };
      const install = ["install", "-y", "--no-install-recommends", aptPackage];
      try {
        await apt(...install);
      } catch {
        report("  refreshing the package lists");
        await apt("update");
        await apt(...install);
      }
      const path = join(cacheDirectory, program);
      await rm(path, { force: true });
      await symlink(file, path);
      return path;
    },
  };
}

/** @returns what to put before a command so that it runs as root */
async function rootPrefix(): Promise<string[]> {
  if (process.getuid?.() === 0) return [];
  try {
    await runCommand("sudo", ["-n", "true"], { timeoutMs: QUICK_TIMEOUT_MS });
    return ["sudo", "-n"];
  } catch {
    throw new Error("it needs root, or sudo without a password");
  }
}
