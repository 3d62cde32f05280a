/** Cases of optimizers and learning-rate schedules. */

import { z } from "zod";
import { ConfigError } from "../errors.ts";
import { Tensor } from "../tensor/tensor.ts";
import { AdamW, clipFactor, type OptimizerState, type ParameterGroup } from "../train/optimizer.ts";
import { type Schedule, scheduleOf } from "../train/schedules.ts";
import { type CaseRunner, inputOf, type ParityCase, type Tensors } from "./case.ts";

const runSchema = z.object({
  lr: z.number(),
  betas: z.tuple([z.number(), z.number()]),
  eps: z.number(),
  weight_decay: z.number(),
  max_grad_norm: z.number().optional(),
  linear_schedule: z.object({ num_warmup_steps: z.number(), num_training_steps: z.number() }).optional(),
  groups: z.array(
    z.object({ params: z.array(z.string()), weight_decay: z.number().optional(), lr: z.number().optional() }),
  ),
});
const adamwSchema = z.object({ steps: z.number().int().positive(), runs: z.record(z.string(), runSchema) });

type Run = z.infer<typeof runSchema>;

/** AdamW trajectories on a given stream of gradients; the loss is mean((X W + b − Y)²). */
export const runAdamW: CaseRunner = async (parityCase) => {
  const parsed = adamwSchema.safeParse(parityCase.config);
  if (!parsed.success) throw new ConfigError(`${parityCase.name}: ${parsed.error.issues[0]!.message}`);
  const results = new Map<string, Tensor>();
  for (const [key, run] of Object.entries(parsed.data.runs)) {
    for (const [name, tensor] of await trajectory(parityCase, key, run, parsed.data.steps))
      results.set(name, tensor);
  }
  return results;
};

/** Where each parameter lies in the flat vectors. */
interface Layout {
  readonly spans: ReadonlyMap<string, { start: number; shape: readonly number[]; size: number }>;
  readonly groups: readonly ParameterGroup[];
  readonly size: number;
}

function layoutOf(parityCase: ParityCase, key: string, run: Run): Layout {
  const spans = new Map<string, { start: number; shape: readonly number[]; size: number }>();
  let size = 0;
  const groups = run.groups.map(({ params, weight_decay, lr = run.lr }) => {
    const start = size;
    for (const name of params) {
      const initial = inputOf(parityCase, `${key}.init.${name}`);
      spans.set(name, { start: size, shape: initial.shape, size: initial.size });
      size += initial.size;
    }
    return { start, end: size, weightDecay: weight_decay ?? run.weight_decay, rateFactor: lr / run.lr };
  });
  return { spans, groups, size };
}

async function trajectory(parityCase: ParityCase, key: string, run: Run, steps: number): Promise<Tensors> {
  const { spans, groups, size } = layoutOf(parityCase, key, run);
  const vector = (): Float32Array => new Float32Array(size);
  const state: OptimizerState = {
    parameters: vector(),
    gradients: vector(),
    firstMoment: vector(),
    secondMoment: vector(),
  };
  const read = (name: string): Tensor => inputOf(parityCase, `${key}.${name}`);
  for (const [name, { start }] of spans)
    state.parameters.set(read(`init.${name}`).data as Float32Array, start);
  const optimizer = await AdamW.open({ betas: run.betas, epsilon: run.eps });
  const log = { lr: [] as number[], loss: [] as number[], grad_norm: [] as number[] };
  const history = new Map([...spans].map(([name, span]) => [name, new Float32Array(steps * span.size)]));
  for (let step = 0; step < steps; step++) {
    for (const [name, { start, size: count }] of spans) {
      const gradients = read(`gradient.${name}`).data as Float32Array;
      state.gradients.set(gradients.subarray(step * count, (step + 1) * count), start);
    }
    const learningRate = run.lr * scheduleFor(run)(step);
    const norm = await optimizer.norm(state.gradients);
    log.lr.push(learningRate);
    log.grad_norm.push(norm);
    log.loss.push(leastSquares(read("X"), read("Y"), (name) => slotOf(state.parameters, spans.get(name)!)));
    const gradientScale = clipFactor(norm, run.max_grad_norm);
    await optimizer.step(state, groups, { learningRate, gradientScale, step: step + 1 });
    for (const [name, span] of spans)
      history.get(name)!.set(slotOf(state.parameters, span), step * span.size);
  }
  await optimizer.release();
  const results = new Map<string, Tensor>();
  for (const [name, values] of Object.entries(log))
    results.set(`${key}.${name}`, Tensor.from("float32", [steps], values));
  for (const [name, span] of spans) {
    results.set(
      `${key}.after_step.${name}`,
      new Tensor("float32", [steps, ...span.shape], history.get(name)!),
    );
    results.set(`${key}.exp_avg.${name}`, new Tensor("float32", span.shape, slotOf(state.firstMoment, span)));
    results.set(
      `${key}.exp_avg_sq.${name}`,
      new Tensor("float32", span.shape, slotOf(state.secondMoment, span)),
    );
  }
  return results;
}

const slotOf = (vector: Float32Array, { start, size }: { start: number; size: number }): Float32Array =>
  vector.subarray(start, start + size);

function scheduleFor({ linear_schedule }: Run): Schedule {
  if (!linear_schedule) return () => 1;
  const { num_warmup_steps: warmupSteps, num_training_steps: totalSteps } = linear_schedule;
  return scheduleOf("linear", { warmupSteps, totalSteps });
}

/** mean((X W + b − Y)²) in float64. */
function leastSquares(x: Tensor, y: Tensor, parameter: (name: string) => Float32Array): number {
  const [rows, width] = x.shape as [number, number];
  const columns = y.shape[1]!;
  const [weight, bias] = [parameter("weight"), parameter("bias")];
  let total = 0;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      let value = bias[column]!;
      for (let i = 0; i < width; i++)
        value += Number(x.data[row * width + i]) * weight[i * columns + column]!;
      total += (value - Number(y.data[row * columns + column])) ** 2;
    }
  }
  return total / (rows * columns);
}

const scheduleArgs = z.object({
  num_warmup_steps: z.number().optional(),
  num_training_steps: z.number().optional(),
  num_cycles: z.number().optional(),
  lr_end: z.number().optional(),
  power: z.number().optional(),
  timescale: z.number().nullish(),
  d_model: z.number().optional(),
  warmup_steps: z.number().optional(),
  factor: z.number().optional(),
});
const schedulesSchema = z.object({
  schedules: z.record(
    z.string(),
    z.object({ type: z.string(), lr: z.number().nullable(), args: scheduleArgs }),
  ),
});

/** Learning rates of every schedule at every step. */
export const runSchedules: CaseRunner = async (parityCase) => {
  const parsed = schedulesSchema.safeParse(parityCase.config);
  if (!parsed.success) throw new ConfigError(`${parityCase.name}: ${parsed.error.issues[0]!.message}`);
  const steps = inputOf(parityCase, "step");
  return new Map(
    Object.entries(parsed.data.schedules).map(([name, { type, lr, args }]) => {
      const base = lr ?? args.factor ?? 1;
      const schedule = scheduleOf(type, {
        warmupSteps: args.num_warmup_steps ?? args.warmup_steps,
        totalSteps: args.num_training_steps,
        cycles: args.num_cycles,
        endFactor: (args.lr_end ?? 1e-7) / base,
        power: args.power,
        timescale: args.timescale ?? undefined,
        modelSize: args.d_model,
      });
      const rates = steps.toNumbers().map((step) => base * schedule(step));
      return [name, Tensor.from("float64", steps.shape, rates)];
    }),
  );
};
