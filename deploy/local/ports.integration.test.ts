import { createServer } from "node:net";
import { freePorts } from "@sluice/servers";
import { describe, expect, test } from "vitest";
import { PortTakenError, settlePorts, usualOrFreePort } from "./ports.ts";

async function whileTaken(port: number, work: () => Promise<void>): Promise<void> {
  const listener = createServer().listen(port, "127.0.0.1");
  await new Promise((resolve) => listener.once("listening", resolve));
  try {
    await work();
  } finally {
    listener.close();
  }
}

describe("the promised ports", () => {
  test("are taken as wanted when they are free", async () => {
    const [edge = 0, gateway = 0] = await freePorts(2);
    expect(await settlePorts({ edge, gateway }, false)).toEqual({ edge, gateway });
  });

  test("that are taken are refused with a message that names the port, its owner and what can be done", async () => {
    const [edge = 0, gateway = 0] = await freePorts(2);
    await whileTaken(gateway, async () => {
      const settling = settlePorts({ edge, gateway }, false);
      await expect(settling).rejects.toBeInstanceOf(PortTakenError);
      await expect(settling).rejects.toThrow(`Port ${gateway}, for the gateway, is taken by `);
      await expect(settling).rejects.toThrow(`npm start -- --gateway-port ${gateway + 10}`);
      await expect(settling).rejects.toThrow("npm start -- --auto-ports");
    });
  });

  test.runIf(process.platform === "linux")(
    "that are taken are refused with the command and the pid of their owner",
    async () => {
      const [edge = 0, gateway = 0] = await freePorts(2);
      await whileTaken(edge, async () => {
        const owner = new RegExp(`is taken by node.* \\(pid ${process.pid}\\)`);
        await expect(settlePorts({ edge, gateway }, false)).rejects.toThrow(owner);
      });
    },
  );

  test("that are taken are replaced when any free port will do", async () => {
    const [edge = 0, gateway = 0] = await freePorts(2);
    await whileTaken(edge, async () => {
      const settled = await settlePorts({ edge, gateway }, true);
      expect(settled.edge).not.toBe(edge);
      expect(settled.gateway).toBe(gateway);
    });
  });

  test("can not be the same for edge and gateway", async () => {
    const [port = 0] = await freePorts(1);
    await expect(settlePorts({ edge: port, gateway: port }, false)).rejects.toThrow("is taken by the edge");
  });
});

describe("a port that nobody was promised", () => {
  test("is the usual one, or a free one where that is taken", async () => {
    const [usual = 0] = await freePorts(1);
    expect(await usualOrFreePort(usual)).toBe(usual);
    await whileTaken(usual, async () => {
      expect(await usualOrFreePort(usual)).not.toBe(usual);
    });
  });
});
