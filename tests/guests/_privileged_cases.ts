/**
 * How the tests of privileged.c have to end; from 4.0 on what it shows the Launcher is compared here: bytes of
 * instructions, registers, injected traps. Read first: `_cases.ts`.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { RegisterName } from "../../lib/platform/lguest/device.ts";
import type { Generation } from "../../lib/platform/lguest/generation.ts";
import type { GuestCase, GuestContext, TrapExit } from "./_run.ts";

const topic = "privileged";
/** OUT DX, AX: where privileged.c has its registers looked at. */
const OUT_DX_16 = [0x66, 0xef];

/** The bytes of each instruction that trapped. */
function instructions({ exits }: GuestContext): number[][] {
  return exits.map((exit) => exit.kind === "trap" ? [...exit.instruction] : []);
}

/** What privileged.c has in its registers, but for ESP and EIP. */
const HELD: Partial<Record<RegisterName, number>> = {
  eax: 0xa1a1a1a1,
  ebx: 0xb2b2b2b2,
  ecx: 0xc3c3c3c3,
  edx: 0xa5c,
  esi: 0x51515151,
  edi: 0xd1d1d1d1,
  ebp: 0xb9b9b9b9,
  cs: 0x61,
  ds: 0x69,
  es: 0x69,
  ss: 0x69,
  fs: 0xa1,
  gs: 0xa1,
};
const CARRY_AND_IF = 0x201;
/** OUT and the UD2 behind it. */
const PASSED_OVER = 4;

/** Look at all registers, change those that may be. */
function exchange({ instruction }: TrapExit, { device }: GuestContext): boolean {
  assertEquals([...instruction.subarray(0, 2)], OUT_DX_16);
  for (const [name, value] of Object.entries(HELD)) {
    assertEquals(device.getRegister(name as RegisterName), value, name);
  }
  assertEquals(device.getRegister("eflags") & CARRY_AND_IF, CARRY_AND_IF);
  for (const name of ["cs", "ds", "es", "fs", "gs", "ss", "eflags"] as const) {
    assertThrows(() => device.setRegister(name, 0x69), Error);
  }
  const general = ["eax", "ebx", "ecx", "edx", "esi", "edi", "ebp"] as const;
  general.forEach((name, i) => device.setRegister(name, 0x11111111 * (i + 1)));
  device.setRegister("esp", device.getRegister("esp") - 64);
  device.setRegister("eip", device.getRegister("eip") + PASSED_OVER);
  return true;
}

const LAUNCHER_CASES: readonly GuestCase[] = [
  {
    topic,
    name: "instruction_bytes",
    check: (context) =>
      assertEquals(instructions(context), [
        [0xf4, 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5],
        [0xf4, 0, 0, 0, 0, 0, 0],
        [0xf4, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90],
      ]),
  },
  {
    topic,
    name: "instruction_at_top",
    check: (context) => assertEquals(instructions(context), [[0xf4, 0x11, 0x22, 0, 0, 0, 0]]),
  },
  { topic, name: "registers", trap: exchange },
  { topic, name: "inject_unhandled", look: ({ device }) => assert(!device.injectTrap(13)) },
  { topic, name: "inject_handled", look: ({ device }) => assert(device.injectTrap(14)) },
];

/** What privileged.c has for a Host. */
export function PRIVILEGED_CASES(generation: Generation): GuestCase[] {
  const names = ["refused_in_kernel", "refused_to_user", "cli", "popf_leaves_if"];
  if (generation.transport === "bus") names.push("ports", "ports_before_init", "string_ports");
  return [
    ...names.map((name) => ({ topic, name })),
    ...(generation.transport === "pci" ? LAUNCHER_CASES : []),
  ];
}
