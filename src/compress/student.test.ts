import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyConfig, tinyTokenizer, writeTinyModel } from "../../test/support/tiny-model.ts";
import { bertConfigs } from "../models/bert.ts";
import type { ConfigJson } from "../models/config.ts";
import { distilBertConfigs } from "../models/distilbert.ts";
import { architectureOf } from "../models/registry.ts";
import { countParameters } from "../nn/module.ts";
import { Tensor } from "../tensor/tensor.ts";
import { padBatch } from "../text/batch.ts";
import { readSafetensors } from "../weights/safetensors.ts";
import { shallowerConfig, spreadLayers, writeStudent } from "./student.ts";
import { readTeacher, TeacherSession } from "./teacher.ts";

const folder = useTemporaryFolder();
const path = (name: string): string => join(folder, name);

const parametersOf = (config: ConfigJson): number => countParameters(architectureOf(config).build(config));

describe("a student cut out of its teacher", () => {
  test("takes of twelve layers those that DistilBERT took", () => {
    expect(spreadLayers(12, 6)).toEqual([0, 2, 4, 7, 9, 11]);
    expect(spreadLayers(4, 4)).toEqual([0, 1, 2, 3]);
    expect(spreadLayers(5, 1)).toEqual([0]);
  });

  test("of DistilBERT's shape has 66,362,880 parameters, its teacher 109,482,240", () => {
    const teacher = { ...bertConfigs["bert-base-uncased"], architectures: ["BertModel"] };
    const student = { ...distilBertConfigs["distilbert-base-uncased"], architectures: ["DistilBertModel"] };
    expect(parametersOf(teacher)).toBe(109_482_240);
    expect(parametersOf(student)).toBe(66_362_880);
  });

  test("with all layers answers as BERT does, being a DistilBERT", async () => {
    await writeTinyModel(path("bert"), tinyConfig("BertForMaskedLM"));
    const teacher = await readTeacher(path("bert"));
    const config = {
      architectures: ["DistilBertForMaskedLM"],
      model_type: "distilbert",
      vocab_size: teacher.config.vocab_size,
      dim: 32,
      n_layers: 2,
      n_heads: 2,
      hidden_dim: 64,
      max_position_embeddings: 64,
    };
    await writeTinyModel(path("distilbert"), config);
    const { takenShare } = await writeStudent(path("distilbert"), config, teacher, 0);
    expect(takenShare).toBe(1);
    const encodings = ["the film was good .", "a movie"].map((text) => tinyTokenizer().encode(text));
    const inputs = padBatch(encodings, { padId: 0 });
    const positions = Tensor.from("int64", [4], [0, 2, 5, 8]);
    const logits: number[][] = [];
    for (const name of ["bert", "distilbert"]) {
      const session = await TeacherSession.open(await readTeacher(path(name)));
      const { "teacher.logits": scores } = await session.answer({ ...inputs, masked_positions: positions });
      logits.push(scores!.toNumbers());
      await session.release();
    }
    const [before, after] = logits as [number[], number[]];
    expect(Math.max(...before.map((value, at) => Math.abs(value - after[at]!)))).toBeLessThan(1e-4);
  });

  test("has the chosen layers and, where a width differs, only what still fits", async () => {
    await writeTinyModel(path("deep"), tinyConfig("BertForSequenceClassification", { num_hidden_layers: 4 }));
    const teacher = await readTeacher(path("deep"));
    const config = shallowerConfig(teacher, 2);
    expect(config.num_hidden_layers).toBe(2);
    await writeStudent(path("cut"), config, teacher, 0);
    const [there, here] = await Promise.all(
      ["deep", "cut"].map((name) => readSafetensors(join(path(name), "model.safetensors"))),
    );
    const weight = (at: number): string => `bert.encoder.layer.${at}.output.dense.weight`;
    expect(here!.get(weight(0))).toEqual(there!.get(weight(0)));
    expect(here!.get(weight(1))).toEqual(there!.get(weight(3)));
    expect(here!.get("classifier.weight")).toEqual(there!.get("classifier.weight"));
    const thin = { ...config, intermediate_size: 48 };
    await writeStudent(path("thin"), thin, teacher, 0);
    const thinner = await readSafetensors(join(path("thin"), "model.safetensors"));
    const query = "bert.encoder.layer.0.attention.self.query.weight";
    expect(thinner.get(query)).not.toEqual(there!.get(query));
    const words = "bert.embeddings.word_embeddings.weight";
    expect(thinner.get(words)).toEqual(there!.get(words));
    expect(await writeStudent(path("narrow"), { ...config, hidden_size: 16 }, teacher, 0)).toEqual({
      takenShare: 0,
    });
  });

  test("cannot have more layers than there are", async () => {
    const teacher = await readTeacher(await writeTinyModel(path("two"), tinyConfig("BertModel")));
    expect(() => shallowerConfig(teacher, 3)).toThrow(/has 2 layers, a student with 3 cannot/);
  });
});
