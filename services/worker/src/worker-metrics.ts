import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { AnswerOutcome } from "./answer.ts";

export class WorkerMetrics {
  readonly #running: Gauge;
  readonly #answers: Counter<"outcome">;
  readonly #refused: Counter<"code">;
  readonly #chunks: Counter;
  readonly #unknownParts: Counter;
  readonly #firstText: Histogram;
  readonly #duration: Histogram;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#running = new Gauge({
      name: "sluice_worker_answers_running",
      help: "Answers that are being streamed",
      registers,
    });
    this.#answers = new Counter({
      name: "sluice_worker_answers_total",
      help: "Answers that ended, by how: completed, cancelled (by readers), failed (the model), stopped (this worker), lost (the stream)",
      labelNames: ["outcome"],
      registers,
    });
    this.#refused = new Counter({
      name: "sluice_worker_prompts_refused_total",
      help: "Prompts that this worker didn't accept, by code",
      labelNames: ["code"],
      registers,
    });
    this.#chunks = new Counter({
      name: "sluice_worker_text_chunks_total",
      help: "Text chunks sent",
      registers,
    });
    this.#unknownParts = new Counter({
      name: "sluice_worker_unknown_parts_total",
      help: "Parts of the model's answers that could not be read and were sent on as unknown_part",
      registers,
    });
    this.#firstText = new Histogram({
      name: "sluice_worker_first_text_seconds",
      help: "From the accepted prompt to the model's first text",
      buckets: [0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30],
      registers,
    });
    this.#duration = new Histogram({
      name: "sluice_worker_answer_seconds",
      help: "From the accepted prompt to the answer's end",
      buckets: [0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600],
      registers,
    });
  }

  refused(code: string): void {
    this.#refused.inc({ code });
  }

  started(): void {
    this.#running.inc();
  }

  unknownPart(): void {
    this.#unknownParts.inc();
  }

  firstText(seconds: number): void {
    this.#firstText.observe(seconds);
  }

  ended(outcome: AnswerOutcome, seconds: number): void {
    this.#running.dec();
    this.#answers.inc({ outcome: outcome.kind });
    this.#chunks.inc(outcome.textChunks);
    this.#duration.observe(seconds);
  }
}
