import { describe, expect, test } from "vitest";
import { narrowerConfig } from "./narrower.ts";

const bert = { model_type: "bert", hidden_size: 256, intermediate_size: 1024, num_attention_heads: 4 };

describe("narrowerConfig", () => {
  test("shrinks the inner width in proportion and keeps the size of heads", () => {
    expect(narrowerConfig(bert, 128)).toEqual({
      ...bert,
      hidden_size: 128,
      intermediate_size: 512,
      num_attention_heads: 2,
    });
  });

  test("refuses a wider student, and a family whose widths are not known", () => {
    expect(() => narrowerConfig(bert, 512)).toThrow("at most the teacher's 256");
    expect(() => narrowerConfig({ model_type: "swin" }, 64)).toThrow("leave --widths out");
  });
});
