import { freePort, isPortFree } from "@sluice/servers";
import { portOwner } from "./port-owner.ts";

export interface PromisedPorts {
  readonly edge: number;
  readonly gateway: number;
}

/** One of the ports that are promised to the user is taken. The message says by whom, and what can be done. */
export class PortTakenError extends Error {
  readonly port: number;

  constructor(role: keyof PromisedPorts, port: number, owner: string | undefined) {
    const option = role === "edge" ? "--port" : "--gateway-port";
    super(
      [
        `Port ${port}, for the ${role}, is taken by ${owner ?? "another program"}.`,
        `  npm start -- ${option} ${port + 10}   takes another one`,
        "  npm start -- --auto-ports   takes any free ones",
      ].join("\n"),
    );
    this.name = "PortTakenError";
    this.port = port;
  }
}

/**
 * Settles the ports that a user is told. A port can still be lost between this and its use; the process that wants it
 * then fails to start, which ends the launch.
 * @throws PortTakenError unless any free port will do
 */
export async function settlePorts(wanted: PromisedPorts, anyFree: boolean): Promise<PromisedPorts> {
  const settled = { edge: wanted.edge, gateway: wanted.gateway };
  for (const role of ["edge", "gateway"] as const) {
    const port = wanted[role];
    const other = role === "gateway" && port === settled.edge;
    if (!other && (await isFreeEverywhere(port))) continue;
    if (!anyFree) throw new PortTakenError(role, port, other ? "the edge" : await portOwner(port));
    settled[role] = await freePort();
  }
  return settled;
}

/** Finds a port that nobody was promised: the usual one, which is easier to remember, else a free one. */
export async function usualOrFreePort(usual: number): Promise<number> {
  return (await isFreeEverywhere(usual)) ? usual : freePort();
}

/** Both, since a listener on one address doesn't always hinder one on all addresses, nor the other way round. */
async function isFreeEverywhere(port: number): Promise<boolean> {
  return (await isPortFree(port)) && (await isPortFree(port, "127.0.0.1"));
}
