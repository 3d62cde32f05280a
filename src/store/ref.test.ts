import { describe, expect, test } from "vitest";
import { ConfigError } from "../errors.ts";
import { assertStoreName, parseRef, storeNameOf } from "./ref.ts";

describe("names and references", () => {
  test("a reference is a name, or a name and a version", () => {
    expect(parseRef("reviews")).toEqual({ name: "reviews" });
    expect(parseRef("bert_v1.5-x@12")).toEqual({ name: "bert_v1.5-x", version: 12 });
  });

  test("a variant is named after the name or after the version", () => {
    expect(parseRef("reviews@int8")).toEqual({ name: "reviews", variant: "int8" });
    expect(parseRef("reviews@3:int8-static")).toEqual({
      name: "reviews",
      version: 3,
      variant: "int8-static",
    });
  });

  test.each([
    "",
    "@1",
    "a@",
    "a@0",
    "a@01",
    "a@X",
    "a@1:",
    "a@1:2",
    "a@:int8",
    "a@int8:1",
    "a@1int8",
    "a@1@2",
    "a:int8",
    "a/b",
    "..",
    "-a",
    "a".repeat(97),
  ])('the reference "%s" is refused', (ref) => expect(() => parseRef(ref)).toThrow(ConfigError));

  test("a name may be 96 characters long", () => {
    expect(() => assertStoreName("a".repeat(96))).not.toThrow();
  });

  test("a hub model and a folder go by their last part", () => {
    expect(storeNameOf("google-bert/bert-base-uncased")).toBe("bert-base-uncased");
    expect(storeNameOf("/models/reviews/")).toBe("reviews");
    expect(() => storeNameOf("/")).toThrow(ConfigError);
  });
});
