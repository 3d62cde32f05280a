import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyRun } from "../../test/support/tiny-run.ts";
import { openModel } from "../models/open.ts";
import { architectureOf } from "../models/registry.ts";
import { Random } from "../tensor/random.ts";
import { Tensor } from "../tensor/tensor.ts";
import { readSafetensors } from "../weights/safetensors.ts";
import { AdamW, clipFactor } from "./optimizer.ts";
import { type Batch, TrainStep } from "./step.ts";
import { createStepApi } from "./step-api.ts";
import { evaluate, fit, type TrainEvent } from "./trainer.ts";

const folder = useTemporaryFolder();
const run = tinyRun();
const architecture = architectureOf(run.config);

/** All weights of a model folder as one list of numbers. */
async function weightsOf(path: string): Promise<Record<string, unknown>> {
  const tensors = await readSafetensors(join(path, "model.safetensors"));
  return Object.fromEntries([...tensors].map(([name, { data }]) => [name, data]));
}

const checkpointsOf = (output: string): string[] => readdirSync(join(output, "checkpoints")).sort();

describe("AdamW", () => {
  test("runs over pieces larger than one and leaves other groups alone", async () => {
    const size = 150_000;
    const random = new Random(1);
    const vector = (): Float32Array => Float32Array.from({ length: size }, () => random.normal());
    const state = {
      parameters: vector(),
      gradients: vector(),
      firstMoment: new Float32Array(size),
      secondMoment: new Float32Array(size),
    };
    const before = state.parameters.slice();
    const optimizer = await AdamW.open();
    await optimizer.step(state, [{ start: 0, end: 100_000, weightDecay: 0.1 }], {
      learningRate: 0.01,
      gradientScale: 1,
      step: 1,
    });
    // The first update moves by the learning rate in the direction of the gradient's sign.
    for (const at of [0, 65_535, 65_536, 99_999]) {
      const expected = before[at]! * (1 - 0.001) - 0.01 * Math.sign(state.gradients[at]!);
      expect(state.parameters[at]).toBeCloseTo(expected, 5);
    }
    expect(state.parameters.slice(100_000)).toEqual(before.slice(100_000));
    const norm = Math.hypot(...state.gradients.slice(0, 1000));
    expect(await optimizer.norm(state.gradients.slice(0, 1000))).toBeCloseTo(norm, 3);
    await optimizer.release();
  });

  test("clips only a gradient that is longer than allowed", () => {
    expect(clipFactor(10, 1)).toBeCloseTo(0.1, 5);
    expect(clipFactor(0.5, 1)).toBe(1);
    expect(clipFactor(10, undefined)).toBe(1);
  });
});

describe("a training step", () => {
  const batch = (indices: readonly number[], length = 16): Batch =>
    run.train.collate(indices, length, new Random(0));

  test("learns a batch by heart", async () => {
    const step = await TrainStep.open(architecture, run.config, { seed: 1 });
    const items = batch([0, 1, 2, 3]);
    const first = await step.run([items], 1, 0.01);
    let last = first;
    for (let number = 2; number <= 30; number++) last = await step.run([items], number, 0.01);
    expect(first.loss).toBeGreaterThan(0.3);
    expect(last.loss).toBeLessThan(0.1);
    await step.release();
  });

  test("of accumulated batches is the step of the whole batch", async () => {
    const config = { ...run.config, hidden_dropout_prob: 0, attention_probs_dropout_prob: 0 };
    const [whole, parts] = [
      await TrainStep.open(architecture, config),
      await TrainStep.open(architecture, config),
    ];
    const a = await whole.run([batch([0, 1, 2, 3, 4, 5])], 1, 1e-3);
    const b = await parts.run([batch([0, 1]), batch([2, 3]), batch([4, 5])], 1, 1e-3);
    expect(b.loss).toBeCloseTo(a.loss, 5);
    expect(b.gradNorm).toBeCloseTo(a.gradNorm, 4);
    whole.state.parameters.forEach((value, at) => {
      expect(parts.state.parameters[at]).toBeCloseTo(value, 4);
    });
    await Promise.all([whole.release(), parts.release()]);
  });

  test("repeats bit for bit with the same seed, and not with another", async () => {
    const results = [];
    for (const seed of [1, 1, 2]) {
      const step = await TrainStep.open(architecture, run.config, { seed });
      await step.run([batch([0, 1, 2])], 1, 1e-3);
      results.push(step.state.parameters.slice());
      await step.release();
    }
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).not.toEqual(results[0]);
  });

  test("adds the gradients of repeated tokens exactly, however many threads there are", async () => {
    const step = await TrainStep.open(
      architecture,
      { ...run.config, max_position_embeddings: 512 },
      { seed: 1, threads: 4 },
    );
    const shape = [16, 256];
    const batch = {
      input_ids: Tensor.from(
        "int64",
        shape,
        Array.from({ length: 16 * 256 }, (_, at) => 5 + (at % 3)),
      ),
      labels: Tensor.from(
        "int64",
        [16],
        Array.from({ length: 16 }, (_, at) => at % 2),
      ),
    };
    const before = step.state.parameters.slice();
    const gradients = [];
    for (let time = 0; time < 20; time++) {
      step.state.parameters.set(before);
      await step.run([batch], 1, 0);
      gradients.push(step.state.gradients.slice());
    }
    for (const again of gradients) expect(again).toEqual(gradients[0]);
    await step.release();
  });

  test("with a loss that is not finite changes nothing", async () => {
    const step = await TrainStep.open(architecture, run.config);
    step.state.parameters.fill(Number.NaN, 0, 1000);
    const before = step.state.parameters.slice();
    const result = await step.run([batch([0, 1])], 1, 1e-3);
    expect(result.isSkipped).toBe(true);
    expect(step.state.parameters).toEqual(before);
    expect(step.state.firstMoment.every((value) => value === 0)).toBe(true);
    await step.release();
  });

  test("starts from a checkpoint of the bare encoder and draws the head", async () => {
    const path = join(folder, "initial");
    const first = await createStepApi({ config: run.config, options: { seed: 5 } });
    mkdirSync(path);
    await first.saveState(path);
    const second = await createStepApi({
      config: { ...run.config, id2label: { 0: "a", 1: "b", 2: "c" } },
      options: { seed: 9 },
      weightsFolder: path,
    });
    expect(second.drawn()).toEqual(["classifier.weight", "classifier.bias"]);
    const third = await createStepApi({ config: run.config, options: {} });
    await third.loadState(path);
    const [a, b] = await Promise.all([first.evaluate(batch([0, 1])), third.evaluate(batch([0, 1]))]);
    expect(b.logits!.data).toEqual(a.logits!.data);
    expect(third.parameterCount()).toBe(first.parameterCount());
  });
});

describe("a training run", () => {
  const whole = join(folder, "whole");
  const events: TrainEvent[] = [];
  const options = { epochs: 4, batchSize: 4, learningRate: 2e-2, seed: 3, saveEvery: 3, keepLast: 100 };
  let final: Record<string, unknown>;

  beforeAll(async () => {
    const result = await fit({ ...run, output: whole, options }, { onEvent: (event) => events.push(event) });
    expect(result.end).toBe("finished");
    final = await weightsOf(join(whole, "checkpoints", checkpointsOf(whole).at(-1)!));
  });

  test("lowers the loss, keeps the best model and reports", async () => {
    const losses = events.flatMap((event) => (event.kind === "step" ? [event.loss] : []));
    expect(losses.length).toBe(4 * Math.ceil(run.train.lengths.length / 4));
    expect(losses.at(-1)!).toBeLessThan(losses[0]! / 2);
    const model = await openModel(join(whole, "best"));
    expect(model.architecture.name).toBe("BertForSequenceClassification");
    await model.session.release();
    const report = readFileSync(join(whole, "report.html"), "utf8");
    expect(report).toContain("<polyline");
    expect(report).not.toMatch(/https?:\/\/(?!www\.w3\.org)/);
    expect(readFileSync(join(whole, "log.csv"), "utf8").split("\n").length).toBeGreaterThan(losses.length);
    const { metrics } = await evaluate({
      config: run.config,
      weightsFolder: join(whole, "best"),
      task: run.task,
      dataset: run.validation!,
    });
    const best = Math.max(
      ...events.flatMap((event) => (event.kind === "evaluation" ? [event.metrics.accuracy!] : [])),
    );
    expect(metrics.accuracy).toBe(best);
  });

  test("resumed from the middle of an epoch ends in the same bits", async () => {
    for (const name of checkpointsOf(whole).slice(0, 2)) {
      const output = join(folder, `resumed-${name}`);
      cpSync(join(whole, "checkpoints", name), join(output, "checkpoints", name), { recursive: true });
      cpSync(join(whole, "log.jsonl"), join(output, "log.jsonl"));
      await fit({ ...run, output, resume: true, options });
      expect(await weightsOf(join(output, "checkpoints", checkpointsOf(output).at(-1)!))).toEqual(final);
      expect(readFileSync(join(output, "log.jsonl"), "utf8")).toBe(
        readFileSync(join(whole, "log.jsonl"), "utf8"),
      );
    }
  });

  test("killed and resumed ends in the same bits", async () => {
    const output = join(folder, "killed");
    const program = fileURLToPath(new URL("../../test/support/train-child.ts", import.meta.url));
    const child = spawn(process.execPath, ["--import", "tsx", program, output, JSON.stringify(options)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let steps = 0;
    child.stdout.on("data", (chunk: Buffer) => {
      steps += chunk.toString().split("step").length - 1;
      if (steps >= 8) child.kill("SIGKILL");
    });
    const [, signal] = (await once(child, "exit")) as [number | null, string | null];
    expect(signal).toBe("SIGKILL");
    expect(checkpointsOf(output).length).toBeGreaterThan(0);
    await fit({ ...run, output, resume: true, options });
    expect(await weightsOf(join(output, "checkpoints", checkpointsOf(output).at(-1)!))).toEqual(final);
  });

  test("aborted stops with a checkpoint from which it goes on", async () => {
    const output = join(folder, "aborted");
    const abort = new AbortController();
    const onEvent = (event: TrainEvent): void => {
      if (event.kind === "step" && event.step === 5) abort.abort();
    };
    const result = await fit({ ...run, output, options }, { signal: abort.signal, onEvent });
    expect(result).toMatchObject({ end: "interrupted", steps: 5 });
    await fit({ ...run, output, resume: true, options });
    expect(await weightsOf(join(output, "checkpoints", checkpointsOf(output).at(-1)!))).toEqual(final);
  });

  test("keeps only the last checkpoints it was asked for", async () => {
    const output = join(folder, "last");
    await fit({ ...run, output, options: { ...options, epochs: 1, saveEvery: 1, keepLast: 2 } });
    expect(checkpointsOf(output).length).toBe(2);
    expect(existsSync(join(output, "checkpoints", checkpointsOf(output)[1]!, "optimizer.safetensors"))).toBe(
      true,
    );
  });

  test("stops early when nothing improves", async () => {
    const result = await fit({
      ...run,
      output: join(folder, "patience"),
      options: { ...options, learningRate: 0, patience: 2, epochs: 10 },
    });
    expect(result.end).toBe("early-stop");
    expect(result.steps).toBe(3 * Math.ceil(run.train.lengths.length / 4));
  });

  test("ends with a clear error when the loss stays non-finite", async () => {
    const output = join(folder, "diverged");
    const broken = {
      ...run.train,
      collate: (...args: Parameters<typeof run.train.collate>) => ({
        ...run.train.collate(...args),
        labels: Tensor.from(
          "float32",
          [args[0].length],
          args[0].map(() => Number.NaN),
        ),
      }),
    };
    const config = { ...run.config, problem_type: "regression", id2label: { 0: "score" } };
    await expect(
      fit({ ...run, config, train: broken, output, options: { ...options, maxBadSteps: 3 } }),
    ).rejects.toThrow(/not finite at 3 updates in a row, up to update 3 \(epoch 1/);
  });

  test("refuses to overwrite a run, and to resume one of another shape", async () => {
    await expect(fit({ ...run, output: whole, options })).rejects.toThrow(/holds a training run/);
    await expect(
      fit({ ...run, output: whole, resume: true, options: { ...options, batchSize: 5 } }),
    ).rejects.toThrow(/batchSize 4, this run has 5/);
  });
});
