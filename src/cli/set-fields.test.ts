import { describe, expect, test } from "vitest";
import { fieldValue } from "./field-value.ts";
import { withFields } from "./set-fields.ts";

describe("fields of --set", () => {
  test("change a section without losing its other fields", () => {
    const config = { model_type: "clip", vision_config: { patch_size: 8, hidden_size: 64 } };
    const fields = fieldValue("vision_config.hidden_size=32", fieldValue("projection_dim=16"));
    expect(withFields(config, fields)).toEqual({
      model_type: "clip",
      projection_dim: 16,
      vision_config: { patch_size: 8, hidden_size: 32 },
    });
    expect(config.vision_config.hidden_size).toBe(64);
  });

  test("make a section that is not there", () => {
    expect(withFields({}, { "text_config.vocab_size": 9 })).toEqual({ text_config: { vocab_size: 9 } });
  });
});
