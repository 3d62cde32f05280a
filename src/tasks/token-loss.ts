/** How well a language model predicts the tokens it is asked for. */

import type { Tensor } from "../tensor/tensor.ts";
import { perplexity } from "../train/metrics/perplexity.ts";
import type { Evaluator } from "../train/task.ts";

/** Outputs of a language model that are read here; its logits, which are large, need not leave the graph. */
export const tokenLossOutputs = ["token_count", "correct_count"] as const;

/** Counts over predicted tokens, of however many there are in a batch. */
export class TokenCounts {
  private tokens = 0;
  private correct = 0;

  /** Returns the number of tokens that were asked for. */
  add({ token_count, correct_count }: Readonly<Record<string, Tensor>>): number {
    const tokens = Number(token_count!.data[0]);
    this.tokens += tokens;
    this.correct += Number(correct_count!.data[0]);
    return tokens;
  }

  /** Share of the tokens whose likeliest id was right. */
  get accuracy(): number {
    return this.correct / Math.max(1, this.tokens);
  }
}

/** The loss of a token, the perplexity it means, and the accuracy under a name of its own. */
export class TokenLossEvaluator implements Evaluator {
  private readonly counts = new TokenCounts();
  private totalLoss = 0;
  private tokens = 0;

  constructor(private readonly accuracyName: string) {}

  add(outputs: Readonly<Record<string, Tensor>>): void {
    const tokens = this.counts.add(outputs);
    this.tokens += tokens;
    this.totalLoss += Number(outputs.loss!.data[0]) * tokens;
  }

  result(): Record<string, number> {
    const loss = this.totalLoss / Math.max(1, this.tokens);
    return { loss, perplexity: perplexity(loss), [this.accuracyName]: this.counts.accuracy };
  }
}
