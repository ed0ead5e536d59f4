/**
 * Interpreter and translator on the same random programs: with self-modifying code, page faults in the middle of
 * blocks, two virtual pages on one frame, one virtual page on two frames. Both must end with the same registers, flags
 * and memory. `LGUEST_SEED` and `LGUEST_CASES` run others. Read next: `program.ts`, `lockstep_machine.ts`.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { lockstep, TRANSLATING } from "./lockstep.ts";
import { runProgram } from "./lockstep_machine.ts";
import { makeProgram } from "./program.ts";
import { casesOf, seedOf } from "./random.ts";

const PROGRAMS = 150;

/** Environment variables may be asked for only with permission; the usual values do without. */
function setting(read: (usual: number) => number, usual: number): number {
  return Deno.permissions.querySync({ name: "env" }).state === "granted" ? read(usual) : usual;
}

Deno.test("translated programs end as interpreted ones do", () => {
  const seed = setting(seedOf, 1), count = Math.min(setting(casesOf, PROGRAMS), 100_000);
  console.log(`LGUEST_SEED=${seed} LGUEST_CASES=${count}`);
  const failures: string[] = [];
  for (let i = 0; i < count && failures.length < 5; i++) {
    const text = lockstep(seed + i, TRANSLATING);
    if (text !== "") failures.push(text);
  }
  assertEquals(failures.join("\n"), "");
});

Deno.test("the random programs fault, loop and call", () => {
  let pageFaults = 0, otherFaults = 0, calls = 0, traps = 0;
  for (let seed = 1; seed <= 40; seed++) {
    const end = runProgram(makeProgram(seed), { interpretOnly: true });
    const counters = new DataView(end.memory.buffer, 0x6000);
    pageFaults += counters.getUint32(0, true);
    otherFaults += counters.getUint32(4, true);
    traps += counters.getUint32(8, true);
    calls += counters.getUint32(12, true);
  }
  assertEquals([pageFaults > 40, otherFaults > 10, traps > 0, calls > 40], [true, true, true, true]);
});
