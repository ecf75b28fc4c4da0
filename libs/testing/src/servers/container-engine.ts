import { existsSync } from "node:fs";
import { request } from "node:http";
import { homedir } from "node:os";
import { join } from "node:path";

// An engine on this machine answers in milliseconds; one that hangs must not hold up each test file.
const PING_TIMEOUT_MS = 1_500;

let answer: Promise<boolean> | undefined;

/** Whether a container engine answers. Asked once a process. SLUICE_TESTCONTAINERS=0 says no without asking. */
export function containerEngineAnswers(): Promise<boolean> {
  answer ??= process.env["SLUICE_TESTCONTAINERS"] === "0" ? Promise.resolve(false) : pingAny();
  return answer;
}

async function pingAny(): Promise<boolean> {
  const given = process.env["DOCKER_HOST"];
  if (given !== undefined && given !== "") return pingEngine(given);
  const sockets = [
    "/var/run/docker.sock",
    join(homedir(), ".docker/run/docker.sock"),
    join(process.env["XDG_RUNTIME_DIR"] ?? "/run", "docker.sock"),
    join(process.env["XDG_RUNTIME_DIR"] ?? "/run", "podman/podman.sock"),
  ];
  const present = sockets.filter((socket) => existsSync(socket));
  return (await Promise.all(present.map((socket) => pingEngine(`unix://${socket}`)))).some(Boolean);
}

/** @param address as in DOCKER_HOST: `unix:///path` or `tcp://host:port` */
export function pingEngine(address: string): Promise<boolean> {
  const target = address.startsWith("unix://")
    ? { socketPath: address.slice("unix://".length) }
    : { host: new URL(address).hostname, port: new URL(address).port };
  return new Promise((resolve) => {
    const ping = request({ ...target, path: "/_ping", timeout: PING_TIMEOUT_MS }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    ping.once("timeout", () => ping.destroy());
    ping.once("error", () => resolve(false));
    ping.once("close", () => resolve(false));
    ping.end();
  });
}
