import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { isAlive } from "@sluice/servers";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openKillSwitch, type KillSwitch } from "./kill-switch.ts";

const GATEWAY = "http://127.0.0.1:8081";
const JSON_TYPE = { "content-type": "application/json" };

let victims: ChildProcess[];
let admins: Server[];
let killSwitch: KillSwitch;

beforeEach(async () => {
  victims = ["one", "two"].map(() => spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]));
  admins = ["podA", "podB"].map((pod) =>
    createServer((_request, response) => {
      response.end(JSON.stringify({ connections: [{ connection_id: `${pod}.first` }] }));
    }).listen(0, "127.0.0.1"),
  );
  await Promise.all(admins.map((admin) => once(admin, "listening")));
  const edges = victims.map((victim, index) => ({
    name: `edge-${index + 1}`,
    pid: victim.pid ?? null,
    adminUrl: `http://127.0.0.1:${(admins[index]!.address() as AddressInfo).port}`,
  }));
  // One that was just killed, and answers nothing.
  const gone = { name: "edge-3", pid: null, adminUrl: "http://127.0.0.1:1" };
  killSwitch = await openKillSwitch({ gatewayUrl: GATEWAY, edges: () => [gone, ...edges] });
});
afterEach(async () => {
  await killSwitch.close();
  for (const victim of victims) victim.kill("SIGKILL");
  for (const admin of admins) admin.close().closeAllConnections();
});

/** `fetch` lets nobody choose Host and Origin. */
function ask(
  method: string,
  body: string,
  headers: Record<string, string>,
): Promise<{ status: number; body: string; allowed: string | undefined }> {
  return new Promise((resolve, reject) => {
    const asked = request(`${killSwitch.url}/kill-edge`, { method, headers }, (response) => {
      let text = "";
      response.on("data", (data) => (text += String(data)));
      response.on("end", () => {
        const allowed = response.headers["access-control-allow-origin"];
        resolve({ status: response.statusCode ?? 0, body: text, allowed });
      });
    });
    asked.on("error", reject).end(body);
  });
}

const wish = (connectionId: string): string => JSON.stringify({ connection_id: connectionId });
const allAlive = (): boolean => victims.every(({ pid }) => isAlive(pid ?? 0));

test("the edge that has the connection is killed, and no other", async () => {
  const [other, victim] = victims;
  const ended = once(victim!, "exit");
  const answer = await ask("POST", wish("podB.mine"), { ...JSON_TYPE, origin: GATEWAY });
  expect(answer).toMatchObject({ status: 200, allowed: GATEWAY });
  expect(JSON.parse(answer.body)).toEqual({ name: "edge-2", pid: victim?.pid });
  expect(await ended).toEqual([null, "SIGKILL"]);
  expect(isAlive(other?.pid ?? 0)).toBe(true);
});

test("a page of another origin can't use it, nor one whose name was made to point here", async () => {
  const origins = ["https://evil.test", "http://127.0.0.1:9999", "null", ""];
  for (const origin of origins) {
    for (const method of ["OPTIONS", "POST"]) {
      const body = method === "POST" ? wish("podB.mine") : "";
      expect(await ask(method, body, { ...JSON_TYPE, origin })).toMatchObject({
        status: 403,
        allowed: undefined,
      });
    }
  }
  const rebound = { ...JSON_TYPE, origin: GATEWAY, host: "evil.test" };
  expect((await ask("POST", wish("podB.mine"), rebound)).status).toBe(403);
  expect(allAlive()).toBe(true);
});

test("only JSON is taken, so that a browser asks before it sends", async () => {
  const plain = { "content-type": "text/plain", origin: GATEWAY };
  expect((await ask("POST", wish("podB.mine"), plain)).status).toBe(404);
  expect(await ask("OPTIONS", "", { origin: "http://localhost:8081" })).toMatchObject({
    status: 204,
    allowed: "http://localhost:8081",
  });
  expect(allAlive()).toBe(true);
});

test("an unknown connection kills nothing", async () => {
  expect((await ask("POST", wish("podC.gone"), { ...JSON_TYPE, origin: GATEWAY })).status).toBe(404);
  expect(allAlive()).toBe(true);
});
