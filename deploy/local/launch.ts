import { NATS_SERVER, REDIS_SERVER, ServerUnavailableError, findServerBinary } from "@sluice/servers";
import { addressesOf, type Addresses } from "./addresses.ts";
import { runEmbedded } from "./embedded.ts";
import { streamFirstAnswer } from "./first-answer.ts";
import { openKillSwitch } from "./kill-switch.ts";
import type { StartOptions } from "./options.ts";
import { homeAt } from "./paths.ts";
import { settlePorts } from "./ports.ts";
import type { PromisedPorts } from "./ports.ts";
import { NOTHING_RUNS, claimState, clearState, writeState } from "./state.ts";
import type { LauncherState, LauncherUrls, RunningProcess } from "./state.ts";
import { Supervisor } from "./supervisor.ts";
import { buildTopology } from "./topology.ts";
import { buildWeb, WEB_ROOT } from "./web-build.ts";
import { embeddedBanner, openWarning, welcomeText } from "./welcome.ts";

const FIRST_PROMPT = "In a few sentences: what does a sluice do?";

export interface LaunchOptions extends StartOptions {
  readonly environment: NodeJS.ProcessEnv;
  /** Takes text as the terminal shows it, with its line ends. */
  readonly write: (text: string) => void;
}

/** A Sluice that runs, in its processes or embedded. */
interface Running {
  readonly mode: LauncherState["launcher"]["mode"];
  readonly urls: LauncherUrls;
  processes(): readonly RunningProcess[];
  stop(): Promise<void>;
  killAll(): void;
}

/**
 * One local Sluice from its first process to its last.
 *
 * claimed → provisioned → started → first answer → ready → stopped
 *
 * Whatever fails on the way ends what was started before, and gives the state file back.
 */
export class Launch {
  readonly #options: LaunchOptions;
  readonly #stateFile: string;
  readonly #ending = new AbortController();
  #running: Running | undefined;
  #isReady = false;
  #claimed = false;
  #stopped: Promise<void> | undefined;

  constructor(options: LaunchOptions) {
    this.#options = options;
    this.#stateFile = homeAt(options.home).stateFile;
  }

  /**
   * Resolves when all is ready and told to the user.
   * @throws AlreadyRunningError, PortTakenError, ServerUnavailableError, or Error of what did not start
   */
  async start(): Promise<void> {
    try {
      claimState(this.#stateFile, this.#state);
      this.#claimed = true;
      await this.#start();
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Ends everything in order, at any time. Bounded, idempotent, returns the same promise. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  /** Ends everything at once. */
  killAll(): void {
    this.#running?.killAll();
    if (this.#claimed) clearState(this.#stateFile);
  }

  async #start(): Promise<void> {
    const { write, firstAnswer, background } = this.#options;
    const wanted = { edge: this.#options.port, gateway: this.#options.gatewayPort };
    const ports = await settlePorts(wanted, this.#options.autoPorts);
    const { host, environment } = this.#options;
    const addresses = addressesOf(host, ports, environment);
    const servers = await this.#provision();
    await this.#buildWeb();
    this.#ending.signal.throwIfAborted();
    await (servers === undefined
      ? this.#startEmbedded(ports)
      : this.#startProcesses(ports, addresses, servers));
    this.#ending.signal.throwIfAborted();

    const answer = firstAnswer ? await this.#firstAnswer() : undefined;
    this.#isReady = true;
    this.#publishState();
    const streamId = answer?.streamId;
    write(welcomeText({ state: this.#state, streamId, detached: background }));
    if (addresses.isOpen) write(openWarning(host, ports));
  }

  async #stop(): Promise<void> {
    this.#ending.abort(new Error("Stopped while it was starting."));
    await this.#running?.stop();
    if (this.#claimed) clearState(this.#stateFile);
  }

  /** @returns undefined for embedded mode */
  async #provision(): Promise<{ nats: string; redis: string } | undefined> {
    const { embedded } = this.#options;
    if (embedded === true) {
      this.#options.write(embeddedBanner("Asked for with --embedded."));
      return undefined;
    }
    try {
      return { nats: await this.#find(NATS_SERVER), redis: await this.#find(REDIS_SERVER) };
    } catch (error) {
      if (embedded === false || !(error instanceof ServerUnavailableError)) throw error;
      this.#options.write(embeddedBanner(error.message));
      return undefined;
    }
  }

  /** Explains that Sluice is whole without the pages: the gateway says there what is missing. */
  async #buildWeb(): Promise<void> {
    try {
      await buildWeb(this.#say);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#say(`The pages could not be built: ${reason}`);
    }
  }

  async #find(program: typeof NATS_SERVER): Promise<string> {
    const found = await findServerBinary(program, { report: this.#say });
    this.#say(`${program.name} ${found.version} (${found.path})`);
    return found.path;
  }

  async #startProcesses(
    ports: PromisedPorts,
    addresses: Addresses,
    servers: { readonly nats: string; readonly redis: string },
  ): Promise<void> {
    const home = homeAt(this.#options.home);
    const killSwitch = await openKillSwitch({
      gatewayUrl: `http://127.0.0.1:${ports.gateway}`,
      edges: () =>
        supervisor.processes
          .filter(({ name }) => name.startsWith("edge-"))
          .map((edge) => ({ ...edge, adminUrl: urls.admin[edge.name] ?? "" })),
    });
    const { specs, urls } = await buildTopology({
      ...this.#options,
      webRoot: WEB_ROOT,
      launcherUrl: killSwitch.url,
      ports,
      addresses,
      natsServer: servers.nats,
      redisServer: servers.redis,
      dataDirectory: home.dataDirectory,
    });
    const supervisor = new Supervisor(specs, {
      logDirectory: home.logDirectory,
      report: this.#say,
      onChange: () => this.#publishState(),
    });
    this.#running = {
      mode: "processes",
      urls,
      processes: () => supervisor.processes,
      stop: async () => {
        await killSwitch.close();
        await supervisor.stop();
      },
      killAll: () => supervisor.killAll(),
    };
    this.#say(`Starting ${specs.map((spec) => spec.name).join(", ")} (logs in ${home.logDirectory})`);
    await supervisor.start();
  }

  async #startEmbedded(ports: PromisedPorts): Promise<void> {
    const sluice = await runEmbedded({ ...this.#options, ports, webRoot: WEB_ROOT });
    this.#running = {
      mode: "embedded",
      urls: { ...NOTHING_RUNS, ...sluice.urls },
      processes: () => [{ name: "embedded", pid: process.pid }],
      stop: () => sluice.close(),
      killAll: () => {},
    };
  }

  async #firstAnswer(): Promise<{ streamId: string }> {
    const { edge, gateway } = this.#state.urls;
    if (edge === null || gateway === null) throw new Error("Nothing runs that could answer.");
    const { write } = this.#options;
    this.#say(`\nA first answer, from ${gateway}/prompts to ${edge}/streams/…/events:`);
    this.#say(`\n> ${FIRST_PROMPT}`);
    try {
      const options = { gateway, edge, prompt: FIRST_PROMPT, write, signal: this.#ending.signal };
      const answer = await streamFirstAnswer(options);
      this.#say(`\n\n(${answer.chunks} chunks in ${(answer.milliseconds / 1000).toFixed(1)} s)`);
      return answer;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`The first answer did not arrive: ${reason}`, { cause: error });
    }
  }

  #publishState(): void {
    // Children that end while all is being stopped must not bring the file back.
    if (this.#claimed && this.#stopped === undefined) writeState(this.#stateFile, this.#state);
  }

  get #state(): LauncherState {
    return {
      launcher: { pid: process.pid, mode: this.#running?.mode ?? "processes", ready: this.#isReady },
      urls: this.#running?.urls ?? NOTHING_RUNS,
      processes: this.#running?.processes() ?? [],
    };
  }

  readonly #say = (line: string): void => this.#options.write(`${line}\n`);
}
