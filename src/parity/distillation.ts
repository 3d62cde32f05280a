/** Cases of the distillation loss by itself: logits and hidden states of student and teacher are given. */

import { z } from "zod";
import { ConfigError } from "../errors.ts";
import { grad } from "../graph/grad.ts";
import { input } from "../graph/node.ts";
import { encodeOnnx } from "../graph/onnx/encode.ts";
import { tokenLoss } from "../models/heads.ts";
import { OrtSession } from "../runtime/ort-session.ts";
import { type Distillation, distillationLoss, distillationTerms } from "../train/distillation.ts";
import type { CaseRunner } from "./case.ts";

const schema = z.object({
  temperature: z.number().positive(),
  alpha_ce: z.number(),
  alpha_mlm: z.number(),
  alpha_cos: z.number(),
  alpha_mse: z.literal(0, "only DistilBERT's three losses are supported"),
  alpha_clm: z.literal(0, "only DistilBERT's three losses are supported"),
  restrict_ce_to_mask: z.literal(false, "only the divergence over all tokens is supported"),
});

/** The three losses of DistilBERT, their weighted sum, and its gradients by what the student gives. */
export const runDistillation: CaseRunner = async ({ name, config, inputs }) => {
  const { data, error } = schema.safeParse(config);
  if (!data) throw new ConfigError(`${name}: ${error.issues[0]!.message}`, { code: "unsupported" });
  const given = Object.fromEntries(
    [...inputs].map(([key, { dtype, shape }]) => [key, input(key, dtype, shape)]),
  );
  const loss = tokenLoss(given.student_logits!, given.labels!);
  const pass = {
    outputs: { loss, logits: given.student_logits! },
    captured: new Map([["hidden_states.1", given.student_hidden_states!]]),
    inputs: {
      attention_mask: given.attention_mask,
      "teacher.logits": given.teacher_logits,
      "teacher.hidden": given.teacher_hidden_states,
    },
  };
  const { temperature, alpha_mlm: labels, alpha_ce: outputs, alpha_cos: hidden } = data;
  const objective: Distillation = { temperature, labels, outputs, hidden, features: 0, logits: "softmax" };
  const total = distillationLoss(pass, objective);
  const terms = distillationTerms(pass, objective);
  const learned = ["student_logits", "student_hidden_states"];
  const gradients = grad(
    total,
    learned.map((key) => given[key]!),
  );
  const graph = {
    inputs: Object.values(given),
    parameters: new Map(),
    outputs: {
      loss: total,
      loss_ce: terms.outputs!,
      loss_mlm: loss,
      loss_cos: terms.hidden!,
      ...Object.fromEntries(learned.map((key, at) => [`grad.${key}`, gradients[at]!])),
    },
  };
  const session = await OrtSession.open({ bytes: encodeOnnx(graph), name });
  try {
    return new Map(Object.entries(await session.run(Object.fromEntries(inputs))));
  } finally {
    await session.release();
  }
};
