import { describe, expect, test } from "vitest";
import { showBytes, showDuration, showMetrics, showTable } from "./format.ts";

describe("format", () => {
  test.each([
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.0 kB"],
    [4_200_000, "4.2 MB"],
    [437_000_000, "437 MB"],
    [7.1e12, "7.1 TB"],
  ])("shows %d bytes as %s", (bytes, text) => expect(showBytes(bytes)).toBe(text));

  test.each([
    [420, "0.42 s"],
    [9900, "9.9 s"],
    [59_000, "59 s"],
    [185_000, "3:05"],
    [3_723_000, "1:02:03"],
  ])("shows %d ms as %s", (durationMs, text) => expect(showDuration(durationMs)).toBe(text));

  test("shows metrics to four digits", () => {
    expect(showMetrics({ accuracy: 0.831234, mse: 2 })).toBe("accuracy 0.8312, mse 2");
  });

  test("aligns a table's columns, numbers to the right", () => {
    const rows = [
      ["reviews@1", "17 MB"],
      ["x", "1 kB"],
    ];
    expect(showTable(["MODEL", "SIZE"], rows, [1])).toBe(
      "MODEL       SIZE\nreviews@1  17 MB\nx           1 kB",
    );
  });
});
