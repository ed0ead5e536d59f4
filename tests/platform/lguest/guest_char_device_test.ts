/**
 * The whole program on the real Host's way, under small kernels that look like Linux to it: see `_guest_program.ts`.
 * Real ones are tried by `scripts/lguest_check.ts --stand-in`.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { type Generation, generationOf } from "../../../lib/platform/lguest/generation.ts";
import { LGUEST_SHUTDOWN_RESTART, LHCALL } from "../../../lib/platform/lguest/protocol.ts";
import { makeElf } from "../../boot/_fixtures.ts";
import { standInMissing } from "./_standin/mod.ts";

const missing = standInMissing();
const ignore = missing !== undefined;
const needs = ignore ? ` (${missing})` : "";

/** Where the kernel lies, and what in it. */
const BASE = 0x1000000, PAGE_OFFSET = 0xc0000000;
const TABLE_AT = 0x2000, ENTRY_AT = 0x2100, TEXT_AT = 0x2200, DATA_AT = 0x3000;
const POWEROFF = 1;
/** How long a Guest may take, in milliseconds. */
const PATIENCE = 60_000;

type Code = readonly (number | readonly [word: number])[];

/** Bytes; a number in brackets is a 32-bit word. */
function bytes(code: Code): number[] {
  return code.flatMap((item) => typeof item === "number" ? [item] : [0, 8, 16, 24].map((n) => item[0]! >>> n & 255));
}

/** MOV hardware_subarch, %eax; CMP; JAE; MOV table(,%eax,4), %eax; SUB; JMP, as Linux begins (head_32.S). */
const DISPATCH: Code = [
  ...[0xa1, [0x23c], 0x3d, [4], 0x73, 0x0e, 0x8b, 0x04, 0x85, [BASE + TABLE_AT], 0x2d, [PAGE_OFFSET], 0xff, 0xe0],
] as Code;

/** MOV to EAX, EBX and ECX, INT 0x1f. */
function hypercall(number: number, first = 0, second = 0): Code {
  return [0xb8, [number], 0xbb, [first], 0xb9, [second], 0xcd, 0x1f];
}

/** LGUEST_INIT as Linux has it, which is looked for. */
const INIT: Code = [0xb8, [LHCALL.LGUEST_INIT], 0xbb, [BASE + DATA_AT], 0xcd, 0x1f];
/** JMP to itself. */
const LOOP: Code = [0xeb, 0xfe];

function shutdown(how: number): Code {
  return hypercall(LHCALL.SHUTDOWN, BASE + TEXT_AT, how);
}

/** An ELF file that does something as an lguest Guest, and has last words. */
function kernel({ data: layout }: Generation, deed: Code, text = "Power down"): Uint8Array<ArrayBuffer> {
  const data = new Uint8Array(0x5000);
  const view = new DataView(data.buffer);
  data.set(bytes(DISPATCH));
  data.set(bytes([...INIT, ...deed]), ENTRY_AT);
  const virtual = PAGE_OFFSET + BASE;
  [virtual, virtual + ENTRY_AT, virtual].forEach((word, i) => view.setUint32(TABLE_AT + 4 * i, word, true));
  data.set(new TextEncoder().encode(text), TEXT_AT);
  view.setUint32(DATA_AT + layout.kernelAddress, PAGE_OFFSET, true);
  view.setUint32(DATA_AT + layout.syscallVec, 0x80, true);
  return makeElf({ address: BASE, data });
}

const OLD = generationOf("3.10"), NEW = generationOf("4.10");

async function run(generation: Generation, code: Code, deed: "run" | "pause" | "restarts", text?: string) {
  const directory = Deno.makeTempDirSync({ prefix: "lguest_device_" });
  try {
    const file = join(directory, "vmlinux");
    Deno.writeFileSync(file, kernel(generation, code, text));
    const program = fromFileUrl(new URL("./_guest_program.ts", import.meta.url));
    const args = ["run", "-A", program, file, generation.name, deed];
    const child = new Deno.Command(Deno.execPath(), { args, stdout: "piped", stderr: "piped" }).spawn();
    const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE);
    const { stdout, stderr } = await child.output();
    clearTimeout(timer);
    const said = new TextDecoder().decode(stdout);
    assert(said !== "", `It said nothing: ${new TextDecoder().decode(stderr)}`);
    return JSON.parse(said);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

for (const generation of [OLD, NEW]) {
  const name = `on the device of Linux ${generation.versions}`;

  Deno.test(`a Guest powers itself off ${name}${needs}`, { ignore }, async () => {
    const outcome = await run(generation, shutdown(POWEROFF), "run");
    assertEquals(outcome, { end: { kind: "poweroff" }, pauses: 0, restarts: 0 });
  });

  Deno.test(`a Guest dies ${name} with its last words${needs}`, { ignore }, async () => {
    const { end } = await run(generation, shutdown(POWEROFF), "run", "No init found");
    assertEquals(end, { kind: "crashed", message: "CRASH: No init found" });
  });

  Deno.test(`a Guest that never comes back is paused and ended ${name}${needs}`, { ignore }, async () => {
    assertEquals(await run(generation, LOOP, "pause"), { end: { kind: "terminated" }, pauses: 2, restarts: 0 });
  });

  Deno.test(`a Guest that has nothing to do is paused and ended ${name}${needs}`, { ignore }, async () => {
    const halt: Code = [...hypercall(LHCALL.HALT), 0xeb, 0xed];
    assertEquals(await run(generation, halt, "pause"), { end: { kind: "terminated" }, pauses: 2, restarts: 0 });
  });

  Deno.test(`a Guest restarts ${name}, again and again${needs}`, { ignore }, async () => {
    const { end, restarts } = await run(generation, shutdown(LGUEST_SHUTDOWN_RESTART), "restarts");
    assertEquals([end, restarts], [{ kind: "terminated" }, 3]);
  });
}
