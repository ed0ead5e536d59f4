import { assertEquals, assertThrows } from "@std/assert";
import { outcomeJson, outcomeOf } from "../../lib/cli/outcome.ts";

Deno.test("outcomeOf() gives 0 to a Guest that powered off and 1 to any other", () => {
  assertEquals(outcomeOf({ kind: "poweroff" }), { reason: "poweroff", status: 0 });
  assertEquals(outcomeOf({ kind: "died", message: "why" }), { reason: "died", message: "why", status: 1 });
  assertEquals(outcomeOf({ kind: "terminated" }), { reason: "terminated", status: 1 });
  assertThrows(() => outcomeOf({ kind: "reset" }), Error, "goes on");
});

Deno.test("outcomeJson() is one line that holds everything, in seconds", () => {
  const statistics = { exits: { port: 3 }, bytes: { console: { in: 1, out: 2 } } };
  const line = outcomeJson(outcomeOf({ kind: "died", message: 'a "b"\nc' }), {
    startedAt: 585.4321,
    endedAt: 2585.4324,
    statistics,
  });
  assertEquals(line.includes("\n"), false);
  assertEquals(JSON.parse(line), {
    reason: "died",
    message: 'a "b"\nc',
    status: 1,
    startSeconds: 0.585,
    runSeconds: 2,
    ...statistics,
  });
});

Deno.test("outcomeJson() has null for the times of a Guest that never ran, and nothing counted", () => {
  assertEquals(JSON.parse(outcomeJson({ reason: "usage", message: "m", status: 1 })), {
    reason: "usage",
    message: "m",
    status: 1,
    startSeconds: null,
    runSeconds: null,
    exits: {},
    bytes: {},
  });
});
