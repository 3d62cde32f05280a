import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { writeTinyModel } from "../../test/support/tiny-model.ts";
import { readSentencePiece } from "../text/sentencepiece-file.ts";
import { cliIn } from "./run-cli.test-data.ts";

const folder = useTemporaryFolder();
const { run } = cliIn(folder, { HF_HUB_OFFLINE: "1" });
const pieces = "test/sentencepiece/unigram.model";

const pairs = [
  ["ein Hund läuft nach Hause", "a dog runs back home"],
  ["eine Frau steht im Wasser", "a woman stands in water"],
  ["ein Mann schläft im Haus", "a man sleeps at home"],
  ["ein Kind singt ein Lied", "a child sings a song"],
] as const;

beforeAll(async () => {
  const model = readSentencePiece(readFileSync(pieces), pieces);
  const names = new Set(["</s>", "<unk>", ...model.pieces.map(({ text }) => text), "<pad>"]);
  const vocab = Object.fromEntries([...names].map((name, id) => [name, id]));
  const config = {
    architectures: ["MarianMTModel"],
    model_type: "marian",
    vocab_size: names.size,
    d_model: 32,
    encoder_layers: 1,
    decoder_layers: 1,
    encoder_attention_heads: 2,
    decoder_attention_heads: 2,
    encoder_ffn_dim: 64,
    decoder_ffn_dim: 64,
    max_position_embeddings: 64,
    pad_token_id: names.size - 1,
    decoder_start_token_id: names.size - 1,
    eos_token_id: 0,
    dropout: 0,
    init_std: 0.1,
  };
  await writeTinyModel(join(folder, "opus"), config);
  for (const name of ["source.spm", "target.spm"]) copyFileSync(pieces, join(folder, "opus", name));
  writeFileSync(join(folder, "opus", "vocab.json"), JSON.stringify(vocab));
  for (const [at, name] of ["train.de", "train.en"].entries()) {
    writeFileSync(join(folder, name), `${pairs.map((pair) => pair[at]).join("\n")}\n`);
  }
});

const words = (line: string): string[] => line.split(" ");

test("a Marian folder is fine-tuned with its own pieces and translates what it learned", async () => {
  const data = "--data train.de,train.en --validation train.de,train.en";
  const rates =
    "--epochs 80 --batch-size 4 --learning-rate 1e-2 --warmup 4 --evaluate-every 80 --save-every 80";
  const trained = await run(words(`train ./opus --task translation --name tuned ${data} ${rates} --json`));
  expect(trained.code, trained.stderr).toBe(0);
  const { stdout } = await run(words("eval tuned --data train.de,train.en --json"));
  expect(JSON.parse(stdout).metrics.bleu).toBeGreaterThan(80);
  expect((await run(["predict", "tuned", "ein Hund läuft nach Hause"])).stdout).toContain(
    "a dog runs back home",
  );
});
