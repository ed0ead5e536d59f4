import { assert, assertEquals, assertMatch } from "@std/assert";
import { Progress } from "../../lib/cli/progress.ts";

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

Deno.test("Progress says nothing of what is done within a second", async () => {
  const printed: string[] = [];
  const progress = new Progress("Sleeping", (text) => printed.push(text), true);
  await pause(300);
  progress.update("50%");
  progress.done();
  assertEquals(printed, []);
});

Deno.test("Progress writes its line over and over on a terminal, and wipes it", async () => {
  const printed: string[] = [];
  const progress = new Progress("Sleeping", (text) => printed.push(text), true);
  await pause(1050);
  progress.update("50%");
  await pause(500);
  progress.done();
  assert(printed[0]!.startsWith("\r\x1b[Klguest: Sleeping … "), printed[0]);
  assertMatch(printed.at(-2)!, /50%, 1 s$/);
  assertEquals(printed.at(-1), "\r\x1b[K");
});

Deno.test("Progress writes one plain line where nothing can be written over", async () => {
  const printed: string[] = [];
  const progress = new Progress("Sleeping", (text) => printed.push(text), false);
  await pause(1600);
  progress.done();
  assertEquals(printed, ["lguest: Sleeping …\n"]);
});
