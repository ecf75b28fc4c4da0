import { StreamError } from "@sluice/core";
import { isNoResponders } from "./log-errors.ts";
import type { NatsLink } from "./nats-connection.ts";
import { parseJsonAs, type Schema } from "./service-request.ts";

// Who lives answers within milliseconds: after this long without another answer, all that live have.
const LAST_ANSWER_MS = 300;

/**
 * Gathers the answers of all that listen on a subject within the time; one that can't be read is left out.
 * @throws StreamError CONNECTION where nobody can be asked
 */
export async function gatherAnswers<T>(
  link: NatsLink,
  subject: string,
  question: object | undefined,
  schema: Schema<T>,
  timeoutMs: number,
): Promise<T[]> {
  const answers: T[] = [];
  try {
    const messages = await link.connection.requestMany(
      subject,
      question === undefined ? undefined : JSON.stringify(question),
      { strategy: "stall", stall: LAST_ANSWER_MS, maxWait: timeoutMs },
    );
    for await (const message of messages) {
      const answer = parseJsonAs(schema, message.data);
      if (answer !== null) answers.push(answer);
    }
  } catch (error) {
    if (!isNoResponders(error)) {
      throw new StreamError("CONNECTION", "the other servers can't be asked now", { cause: error });
    }
  }
  return answers;
}
