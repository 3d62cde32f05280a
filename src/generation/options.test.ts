import { writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { parseModelDefaults, readGenerationDefaults, resolveOptions } from "./options.ts";

const folder = useTemporaryFolder();

describe("options of generation", () => {
  test("are read from config.json where there is no file of their own", async () => {
    const config = { num_beams: 4, eos_token_id: 7, hidden_size: 3, typical_p: 1, num_beam_groups: 1 };
    expect(await readGenerationDefaults(folder, config)).toEqual({ num_beams: 4, eos_token_id: [7] });
  });

  test("are read from generation_config.json, special tokens from either file", async () => {
    writeFileSync(
      `${folder}/generation_config.json`,
      JSON.stringify({ max_length: 9, eos_token_id: [1, 2] }),
    );
    const config = { num_beams: 4, eos_token_id: 7, decoder_start_token_id: 5 };
    expect(await readGenerationDefaults(folder, config)).toEqual({
      max_length: 9,
      eos_token_id: [1, 2],
      decoder_start_token_id: 5,
    });
  });

  test("a caller's go before the model's, his longest length before its number of new tokens", () => {
    expect(resolveOptions({ max_length: 5 }, { max_new_tokens: 9, top_k: 3 })).toEqual({
      max_length: 5,
      max_new_tokens: null,
      top_k: 3,
    });
  });

  test("that are not supported are refused where they have an effect", () => {
    expect(() => parseModelDefaults({ diversity_penalty: 0.5 }, "m")).toThrow(
      /m: diversity_penalty is not supported/,
    );
    expect(() => resolveOptions({ penalty_alpha: 0.6 }, {})).toThrow(/penalty_alpha is not supported/);
    expect(() => resolveOptions({ penalty_alpha: 0, typical_p: 1 }, {})).not.toThrow();
  });

  test.each([
    [{ temprature: 1 }, /temprature/],
    [{ temperature: 0 }, /temperature/],
    [{ top_p: 1.5 }, /top_p/],
    [{ max_new_tokens: 0 }, /max_new_tokens/],
    [{ num_beams: 2, do_sample: true }, /exclude each other/],
    [{ num_beams: 2, stop_strings: "." }, /stop_strings work without beams/],
    [{ num_beams: 2, num_return_sequences: 3 }, /at most num_beams, got 3 and 2/],
    [{ num_return_sequences: 2 }, /need do_sample or num_beams/],
  ])("%j is refused", (options, message) => {
    expect(() => resolveOptions(options, {})).toThrow(message);
  });
});
