import { assertEquals } from "@std/assert";
import { SharedLine } from "../../lib/pci/shared_line.ts";
import { FakeLine } from "../platform/pc/_fakes.ts";

Deno.test("SharedLine is asserted as long as any of its devices asserts it", () => {
  const line = new FakeLine();
  const shared = new SharedLine(line);
  const [first, second] = [shared.input(), shared.input()];
  const deeds = [first.raise, second.raise, first.raise, first.lower, first.lower, second.lower, second.lower];
  const seen = deeds.map((deed) => {
    deed();
    return line.high;
  });
  assertEquals([seen, line.rises], [[true, true, true, true, true, false, false], 1]);
  first.raise();
  assertEquals([line.high, line.rises], [true, 2]);
});
