/**
 * The real Host's side of the protocol, over a stand-in for its device: real system calls on a real file, behind which
 * a script plays the Host. See `_standin/mod.ts`.
 */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { GuestError } from "../../../lib/guest_error.ts";
import { GuestMemory } from "../../../lib/memory.ts";
import { ATTENTION_LOOK, signal } from "../../../lib/platform/attention.ts";
import { CharDevice } from "../../../lib/platform/lguest/char_device.ts";
import type { LguestExit, LguestStart } from "../../../lib/platform/lguest/device.ts";
import { type Generation, GENERATIONS } from "../../../lib/platform/lguest/generation.ts";
import { type CharDeviceRun, createCharDeviceOverStandIn, standInMissing } from "./_standin/mod.ts";
import type { ScriptedOptions, ScriptStep } from "./_standin/scripted_host.ts";

const missing = standInMissing();
const ignore = missing !== undefined;
const needs = ignore ? ` (${missing})` : "";

const PCI = GENERATIONS.findLast(({ transport }) => transport === "pci")!;
const BUS = GENERATIONS.findLast(({ transport }) => transport === "bus")!;
const START: LguestStart = { pfnLimit: 256, start: 0x1234_5678, deviceLimit: 260 };
const TRAP: LguestExit = {
  kind: "trap",
  trap: 14,
  instruction: Uint8Array.of(0x8b, 1, 2, 3, 4, 5, 0xff),
  address: 0xfedc_ba98,
};
const NOTIFY: LguestExit = { kind: "notify", address: 0x8123_4000 };
const EAGAIN = 11, ENOMEM = 12, EFAULT = 14;

/** Have a Guest begun whose Host follows a script. */
async function begin(generation: Generation, options: ScriptedOptions): Promise<CharDeviceRun> {
  const run = await open(generation, options);
  run.device.initialize(START);
  return run;
}

function open(generation: Generation, options: ScriptedOptions): Promise<CharDeviceRun> {
  const host = new URL("./_standin/scripted_host.ts", import.meta.url);
  return createCharDeviceOverStandIn({ memory: GuestMemory.allocate(1 << 20), generation, host, options });
}

Deno.test(`INITIALIZE gives the Host where RAM is, its limits and the start${needs}`, { ignore }, async () => {
  await using run = await begin(PCI, { script: [] });
  assertEquals(["esp", "ebp", "eip"].map((name) => run.device.getRegister(name as "esp")), [256, 260, 0x1234_5678]);
});

Deno.test(`INITIALIZE that the Host refuses is one line with its reason${needs}`, { ignore }, async () => {
  await using run = await open(BUS, { script: [], refusal: ENOMEM });
  const error = assertThrows(() => run.device.initialize(START), GuestError);
  assertEquals(error.message, `"${run.path}" does not begin a Guest: Cannot allocate memory`);
});

Deno.test(`INITIALIZE with more pages than there is memory never reaches the Host${needs}`, { ignore }, async () => {
  await using run = await open(PCI, { script: [] });
  assertThrows(() => run.device.initialize({ ...START, pfnLimit: 1 << 16 }), RangeError, "its memory has fewer");
});

Deno.test(`traps come with their instruction and address${needs}`, { ignore }, async () => {
  const empty: LguestExit = { kind: "trap", trap: 13, instruction: new Uint8Array(7), address: 0 };
  await using run = await begin(PCI, { script: [TRAP, empty] });
  assertEquals([run.device.run(), run.device.run()], [TRAP, empty]);
});

Deno.test(`before Linux 4.0 notifications come with their address${needs}`, { ignore }, async () => {
  const low: LguestExit = { kind: "notify", address: 0x1000 };
  await using run = await begin(BUS, { script: [NOTIFY, low] });
  assertEquals([run.device.run(), run.device.run()], [NOTIFY, low]);
});

Deno.test(`registers are got and set, those that the Host protects only got${needs}`, { ignore }, async () => {
  await using run = await begin(PCI, { script: [TRAP] });
  run.device.setRegister("eax", 0xffff_ffff);
  run.device.setRegister("eip", -1);
  run.device.setRegister("ebx", 7);
  assertEquals(["eax", "eip", "ebx", "ss"].map((name) => run.device.getRegister(name as "eax")), [
    0xffff_ffff,
    0xffff_ffff,
    7,
    0,
  ]);
  const error = assertThrows(() => run.device.setRegister("eflags", 2), GuestError);
  assertEquals(error.message, `"${run.path}" does not set register eflags: No such file or directory`);
  assertEquals(run.device.run(), TRAP);
});

Deno.test(`a trap is injected if the Guest has a handler${needs}`, { ignore }, async () => {
  await using run = await begin(PCI, { script: [], handlers: [13] });
  assertEquals([run.device.injectTrap(13), run.device.injectTrap(14)], [true, false]);
});

Deno.test(`a Guest that an injected trap kills is dead at the next run, whatever is asked before${needs}`, {
  ignore,
}, async () => {
  // As long as what a read gives of a Guest that lives, shorter, and longer.
  for (const deadlyTrap of ["eleven char", "bad", "bad stack page 0xc0ffe000"]) {
    await using run = await begin(PCI, { script: [], handlers: [13], deadlyTrap });
    assertEquals(run.device.injectTrap(13), true);
    assertEquals(run.device.injectTrap(13), true);
    run.device.raiseInterrupt(1);
    run.device.setRegister("eax", 1);
    assertEquals(run.device.getRegister("eip"), 0);
    assertEquals(run.device.run(), { kind: "died", reason: deadlyTrap });
  }
});

Deno.test(`interrupts are raised in both generations, and only those that there are${needs}`, { ignore }, async () => {
  await using bus = await begin(BUS, { script: [{ kind: "notify interrupts" }] });
  for (const irq of [0, 5, 31]) bus.device.raiseInterrupt(irq);
  assertEquals(bus.device.run(), { kind: "notify", address: 0x8000_0021 });
  await using pci = await begin(PCI, { script: [{ kind: "halt" }, TRAP] });
  pci.device.raiseInterrupt(3);
  assertEquals([pci.device.getRegister("edi"), pci.device.run()], [8, TRAP]);
  const error = assertThrows(() => pci.device.raiseInterrupt(32), GuestError);
  assertEquals(error.message, `"${pci.path}" does not raise interrupt 32: Invalid argument`);
});

Deno.test(`a Guest that died has its reason, as often as it is asked for${needs}`, { ignore }, async () => {
  const died: LguestExit = { kind: "died", reason: "unhandled trap 13 at 0xc0100000 (0x0) – ünïcode" };
  for (const generation of [PCI, BUS]) {
    await using run = await begin(generation, { script: [died] });
    assertEquals([run.device.run(), run.device.run()], [died, died]);
    run.device.raiseInterrupt(1);
  }
});

Deno.test(`a long reason is cut, an empty one told, and one that is an error number put in words${needs}`, {
  ignore,
}, async () => {
  const reasons: [ScriptStep, string][] = [
    [{ kind: "died", reason: "x".repeat(2000) }, "x".repeat(1023)],
    [{ kind: "died", reason: "" }, ""],
    [{ kind: "dead by error", errno: ENOMEM }, "Cannot allocate memory"],
  ];
  for (const [step, reason] of reasons) {
    await using run = await begin(BUS, { script: [step] });
    assertEquals(run.device.run(), { kind: "died", reason });
  }
});

Deno.test(`a Guest that restarts is begun again by the same device, again and again${needs}`, { ignore }, async () => {
  const restart: LguestExit = { kind: "restart" };
  await using run = await begin(PCI, { script: [TRAP, restart, TRAP, restart, { kind: "died", reason: "off" }, TRAP] });
  assertEquals([run.device.run(), run.device.run(), run.device.run()], [TRAP, restart, restart]);
  run.device.initialize({ ...START, start: 0x1000 });
  assertEquals([run.device.getRegister("eip"), run.device.run(), run.device.run()], [0x1000, TRAP, restart]);
  run.device.initialize(START);
  assertEquals(run.device.run(), { kind: "died", reason: "off" });
  run.device.initialize(START);
  assertEquals(run.device.run(), TRAP);
});

Deno.test(`attention that was wanted before is seen before the Guest runs${needs}`, { ignore }, async () => {
  await using run = await begin(PCI, { script: [TRAP] });
  signal(run.attention, ATTENTION_LOOK);
  assertEquals([run.device.run(), run.device.run()], [{ kind: "interrupted" }, { kind: "interrupted" }]);
  Atomics.store(run.attention, 0, 0);
  assertEquals(run.device.run(), TRAP);
});

Deno.test(`EAGAIN and EINTR of the Host are interruptions, every other error one line${needs}`, {
  ignore,
}, async () => {
  const errors: ScriptStep[] = [4, EAGAIN, EFAULT].map((errno) => ({ kind: "error", errno }));
  await using run = await begin(BUS, { script: [...errors, NOTIFY] });
  assertEquals([run.device.run(), run.device.run()], [{ kind: "interrupted" }, { kind: "interrupted" }]);
  const error = assertThrows(() => run.device.run(), GuestError);
  assertEquals(error.message, `"${run.path}" does not run the Guest: Bad address`);
  assertEquals(run.device.run(), NOTIFY);
});

Deno.test(`a read that gives nothing is of no lguest device${needs}`, { ignore }, async () => {
  await using run = await begin(PCI, { script: [{ kind: "raw", bytes: new Uint8Array() }] });
  const error = assertThrows(() => run.device.run(), GuestError);
  assertEquals(
    error.message,
    `"${run.path}" is no lguest device (a read gives nothing): name another one, or use --engine=soft`,
  );
});

Deno.test(`before Linux 4.0 there are no registers to ask for, and no traps to inject${needs}`, {
  ignore,
}, async () => {
  await using run = await begin(BUS, { script: [] });
  for (
    const deed of [
      () => run.device.getRegister("eax"),
      () => run.device.setRegister("eax", 1),
      () => run.device.injectTrap(13),
    ]
  ) {
    assertThrows(deed, Error, `Lguest of Linux ${BUS.versions} has no `);
  }
});

Deno.test(`a Host with a fault fails the read, and tells what it was at the end${needs}`, { ignore }, async () => {
  const run = await begin(PCI, { script: [{ kind: "fault" }] });
  assertThrows(() => run.device.run(), GuestError, "does not run the Guest: Input/output error");
  await assertRejects(() => run.close(), Error, "A fault of the Host");
});

Deno.test(`a device that is closed answers no more, and may be closed twice${needs}`, { ignore }, async () => {
  await using run = await begin(PCI, { script: [] });
  run.device.close();
  run.device.close();
  assertThrows(() => run.device.run(), GuestError, "does not run the Guest: Bad file descriptor");
});

Deno.test(`a device that is missing, or none, is one line that tells what to do${needs}`, { ignore }, () => {
  const directory = Deno.makeTempDirSync({ prefix: "lguest_device_" });
  const open = (path: string) => {
    const device = () => new CharDevice({ memory: GuestMemory.allocate(1 << 20), generation: PCI, path });
    return assertThrows(device, GuestError).message;
  };
  try {
    const disk = `${directory}/disk`;
    Deno.writeTextFileSync(disk, "somebody's bytes");
    for (const path of [`${directory}/none`, `${directory}/none/lguest`]) {
      assertEquals(open(path), `"${path}" does not exist: this Linux has no lguest; use --engine=soft`);
    }
    assertEquals(
      open(disk),
      `"${disk}" is no lguest device (it holds something else): name another one, or use --engine=soft`,
    );
    assertEquals(open(directory), `"${directory}" cannot be opened: Is a directory; use --engine=soft`);
    assertEquals(Deno.readTextFileSync(disk), "somebody's bytes");
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
