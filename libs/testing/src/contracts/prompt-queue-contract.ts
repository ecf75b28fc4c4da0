import { expect, it } from "vitest";
import { describeContract } from "./describe-contract.ts";
import { StreamError, type Prompt, type PromptQueue, type Subscription } from "@sluice/core";
import { freshStreamId } from "./log-under-test.ts";

export interface PromptQueueUnderTest {
  asker: PromptQueue;
  worker: PromptQueue;
  /** Resolves when `serve` calls made so far are in force for the asker. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

const DEADLINE_MS = 5_000;

/** Promises of every PromptQueue. */
export function promptQueueContract(name: string, open: () => Promise<PromptQueueUnderTest>): void {
  describeContract("PromptQueue", name, open, (contract) => {
    const serve = async (accept: (prompt: Prompt) => Promise<void>): Promise<Subscription> => {
      const subscription = contract.subject.worker.serve(accept);
      return contract.settled(subscription);
    };
    const prompt = (): Prompt => ({ streamId: freshStreamId(), prompt: "Why is the sky blue? ☂" });

    it("hands a prompt to a worker, and resolves only when it has accepted", async () => {
      const steps: unknown[] = [];
      await serve(async (given) => {
        await Promise.resolve();
        steps.push(given);
      });
      const asked = prompt();
      await contract.subject.asker.ask(asked, DEADLINE_MS);
      expect(steps).toEqual([asked]);
    });

    it("hands each prompt to one worker of all that serve", async () => {
      const taken: string[] = [];
      for (let worker = 0; worker < 3; worker++)
        await serve(async (given) => void taken.push(given.streamId));
      const prompts = Array.from({ length: 30 }, prompt);
      await Promise.all(prompts.map((asked) => contract.subject.asker.ask(asked, DEADLINE_MS)));
      expect(taken.toSorted()).toEqual(prompts.map((asked) => asked.streamId).toSorted());
    });

    it("refuses with what the worker refused with", async () => {
      await serve(() => Promise.reject(new StreamError("STREAM_EXISTS", "that stream is there already")));
      await expect(contract.subject.asker.ask(prompt(), DEADLINE_MS)).rejects.toMatchObject({
        code: "STREAM_EXISTS",
        message: "that stream is there already",
      });
    });

    it("refuses with NO_WORKER where the worker broke, without telling the asker how", async () => {
      await serve(() => Promise.reject(new Error("secret: password=hunter2")));
      const error = await contract.subject.asker
        .ask(prompt(), DEADLINE_MS)
        .catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ name: "StreamError", code: "NO_WORKER" });
      expect(String(error)).not.toContain("hunter2");
    });

    it("refuses with NO_WORKER where none serves", async () => {
      await expect(contract.subject.asker.ask(prompt(), DEADLINE_MS)).rejects.toMatchObject({
        code: "NO_WORKER",
      });
    });

    it("refuses with NO_WORKER where none accepts in time", async () => {
      await serve(() => new Promise(() => undefined));
      await expect(contract.subject.asker.ask(prompt(), 100)).rejects.toMatchObject({ code: "NO_WORKER" });
    });

    it("hands nothing to a worker that has stopped to serve", async () => {
      let taken = 0;
      const subscription = await serve(async () => void taken++);
      subscription.close();
      subscription.close();
      await contract.subject.settle();
      await expect(contract.subject.asker.ask(prompt(), DEADLINE_MS)).rejects.toMatchObject({
        code: "NO_WORKER",
      });
      expect(taken).toBe(0);
    });
  });
}
