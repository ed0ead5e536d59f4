/**
 * Runs a test kernel on any Host: a case and a {@link LguestDevice} over the case's memory enter, and if it ends
 * otherwise than the case says, an error leaves. In the Launcher's place this does nothing but what the kernel asks it
 * for; instructions that trap go back to the Guest, but for a CLI and two moves to and from a device.
 *
 * Nothing here takes time by itself. A Host that never comes back is interrupted by a {@link Watchdog}. Read first:
 * `lguest.h`. Read next: `_cases.ts`.
 *
 * @module
 */
import { loadElf, parseElf } from "../../lib/boot/elf.ts";
import type { GuestMemory } from "../../lib/memory.ts";
import type { LguestDevice, LguestExit } from "../../lib/platform/lguest/device.ts";
import type { Generation } from "../../lib/platform/lguest/generation.ts";
import { buildGuest } from "./_build.ts";
import { ASK, ASK_PORT, COMMAND_LINE, DEVICE_SPACE, INFO, MEMORY, MMIO_VALUE, PARAMETERS, RAM } from "./_layout.ts";

/** A trap that came to the harness. */
export type TrapExit = Extract<LguestExit, { kind: "trap" }>;

/** What a case's own functions work on. */
export interface GuestContext {
  /** The Host. */
  readonly device: LguestDevice;
  /** The Guest's memory. */
  readonly memory: GuestMemory;
  /** Which Host it is. */
  readonly generation: Generation;
  /** Words that the kernel noted. */
  readonly notes: number[];
  /** All traps and notifications but those that asked for something. */
  readonly exits: Extract<LguestExit, { kind: "trap" | "notify" }>[];
  /** How often the Host came back since another thread wanted it to. */
  interruptions(): number;
  /** A field of `struct info`, see {@link INFO}. */
  info(field: number): number;
}

/** A test kernel's test, and how it has to end. */
export interface GuestCase {
  /** Which C file it is in. */
  readonly topic: string;
  /** Its name there. */
  readonly name: string;
  /** The Guest's last words, or what the Host says of its death; "CRASH: OK" unless given. */
  readonly ends?: string | RegExp | ((context: GuestContext) => string);
  /** It ends with a restart, and then the kernel runs this test of the same topic, whose end is the one above. */
  readonly restart?: string;
  /** Another thread may interrupt the Host, which then goes on; else that is an error. */
  readonly mayBeInterrupted?: boolean;
  /** Interrupts that are raised before the first instruction. */
  readonly raise?: readonly number[];
  /** A trap, before the harness looks at it: whether it needs nothing more. */
  readonly trap?: (exit: TrapExit, context: GuestContext) => boolean;
  /** A notification. */
  readonly notify?: (address: number, context: GuestContext) => void;
  /** The kernel asks to be looked at; its EIP is behind the question. */
  readonly look?: (context: GuestContext) => void;
  /** At the end: throws if something is wrong. */
  readonly check?: (context: GuestContext) => void;
}

/** More exits than any test has. */
const MOST_EXITS = 100_000;
const GP = 13, PAGE_FAULT = 14;
/** OUT DX, EAX; CLI. */
const OUT_DX = 0xef, CLI = 0xfa;
/** MOV EAX, [EBX] and back: the ModRM byte 3. */
const MOV_LOAD = 0x8b, MOV_STORE = 0x89, MODRM_EAX_EBX = 3;

/** On what a case is run. */
export interface CaseHost {
  /** A Host over `memory`, with or without a Guest before. */
  readonly device: LguestDevice;
  /** Of {@link MEMORY} bytes at least. */
  readonly memory: GuestMemory;
  /** What the Host speaks. */
  readonly generation: Generation;
  /** The word by which another thread interrupts the Host; the memory's unless given. */
  readonly attention?: Int32Array<SharedArrayBuffer>;
}

/** How soon a Host is interrupted that may be, in milliseconds. */
const IMPATIENCE = 20;

/**
 * Run a case.
 *
 * @param test what to run
 * @param host on what
 * @throws {Error} if it does not end as it has to
 */
export function runCase(test: GuestCase, host: CaseHost): void {
  const { device, memory, generation, attention = memory.attention } = host;
  using _impatient = test.mayBeInterrupted ? new Watchdog(attention, IMPATIENCE) : undefined;
  let interruptions = 0;
  const context: GuestContext = {
    device,
    memory,
    generation,
    notes: [],
    exits: [],
    interruptions: () => interruptions,
    info: (field) => memory.getUint32(PARAMETERS + field),
  };
  const run = (name: string) => {
    start(test.topic, name, context);
    for (const irq of test.raise ?? []) device.raiseInterrupt(irq);
    return runToEnd(test, context, () => {
      Atomics.store(attention, 0, 0);
      interruptions++;
    });
  };
  let end = run(test.name);
  if (test.restart !== undefined) {
    if (end.kind !== "restart") throw new Error(`It should have been restarted: ${JSON.stringify(end)}`);
    end = run(test.restart);
  }
  if (end.kind !== "died") throw new Error("It was restarted");
  const { ends = "CRASH: OK" } = test;
  const wanted = typeof ends === "function" ? ends(context) : ends;
  if (typeof wanted === "string" ? end.reason.trimEnd() !== wanted : !wanted.test(end.reason)) {
    throw new Error(`It died of "${end.reason}", not of "${wanted}"`);
  }
  const again = device.run();
  if (again.kind !== "died" || again.reason !== end.reason) {
    throw new Error(`A dead Guest was run again: ${JSON.stringify(again)}`);
  }
  test.check?.(context);
}

/** Load a kernel for one of its tests, and have the Host begin. */
function start(topic: string, name: string, { device, memory, generation }: GuestContext): void {
  const file = buildGuest(topic, generation);
  const image = parseElf(file, topic);
  memory.fill(0, MEMORY, 0);
  loadElf(memory, file, image);
  memory.write(COMMAND_LINE, new TextEncoder().encode(name));
  memory.setUint8(0x1e8, 1); // e820_entries (boot protocol, zero page)
  memory.setBigUint64(0x2d8, BigInt(RAM)); // e820_map[0].size
  memory.setUint32(0x2e0, 1); // and its type
  const isBus = generation.transport === "bus";
  const limit = RAM + (isBus ? DEVICE_SPACE : 0), deviceLimit = RAM + DEVICE_SPACE;
  memory.setUint32(PARAMETERS + INFO.MEMORY, limit);
  memory.setUint32(PARAMETERS + INFO.DEVICE_LIMIT, deviceLimit);
  memory.setUint32(PARAMETERS + INFO.RAM, RAM);
  device.initialize({ pfnLimit: limit / 4096, start: image.entry, deviceLimit: deviceLimit / 4096 });
}

function runToEnd(
  test: GuestCase,
  context: GuestContext,
  interrupted: () => void,
): Extract<LguestExit, { kind: "died" | "restart" }> {
  const { device, exits } = context;
  for (let count = 0; count < MOST_EXITS; count++) {
    const exit = device.run();
    switch (exit.kind) {
      case "died":
      case "restart":
        return exit;
      case "interrupted":
        interrupted();
        if (test.mayBeInterrupted) break;
        throw new Error(`The Guest does not end; notes: ${context.notes.map((note) => note.toString(16))}`);
      case "notify":
        if (answer(test, context, exit.address)) break;
        exits.push(exit);
        test.notify?.(exit.address, context);
        break;
      case "trap":
        if (isQuestion(exit, device)) {
          device.setRegister("eip", device.getRegister("eip") + 1);
          answer(test, context, device.getRegister("eax"));
          break;
        }
        exits.push({ ...exit, instruction: exit.instruction.slice() });
        if (!test.trap?.(exit, context)) trap(exit, device);
    }
  }
  throw new Error(`The Guest left ${MOST_EXITS} times, the last one as ${JSON.stringify(exits.at(-1))}`);
}

function isQuestion({ trap, instruction }: TrapExit, device: LguestDevice): boolean {
  return trap === GP && instruction[0] === OUT_DX && (device.getRegister("edx") & 0xffff) === ASK_PORT &&
    (device.getRegister("cs") & 3) === 1;
}

/** Do what the kernel asks for; whether it does. */
function answer(test: GuestCase, context: GuestContext, word: number): boolean {
  const value = word & 0xff_ffff;
  switch (word >>> 24) {
    case ASK.RAISE:
      context.device.raiseInterrupt(value);
      return true;
    case ASK.SLEEP:
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, value);
      return true;
    case ASK.NOTE:
      context.notes.push(value);
      return true;
    case ASK.LOOK:
      if (!test.look) throw new Error("The Guest asked to be looked at, and nobody looks");
      test.look(context);
      return true;
    default:
      return false;
  }
}

/** The least of a Launcher. */
function trap({ trap, instruction, address }: TrapExit, device: LguestDevice): void {
  const skip = (length: number) => device.setRegister("eip", device.getRegister("eip") + length);
  if (trap === GP && instruction[0] === CLI && (device.getRegister("cs") & 3) === 1) return skip(1);
  if (trap === PAGE_FAULT && instruction[1] === MODRM_EAX_EBX) {
    if (instruction[0] === MOV_LOAD) {
      device.setRegister("eax", (MMIO_VALUE | address) >>> 0);
      return skip(2);
    }
    if (instruction[0] === MOV_STORE) return skip(2);
  }
  if (!device.injectTrap(trap)) throw new Error(`The Guest has no handler for trap ${trap}`);
}

/** Interrupts a Host that does not come back, by the attention word of the Guest's memory. */
export class Watchdog implements Disposable {
  readonly #worker: Worker;
  readonly #attention: Int32Array<SharedArrayBuffer>;
  /** How often it was fed, or {@link STOPPING}; and whether the Worker has ended. */
  readonly #words = new Int32Array(new SharedArrayBuffer(8));

  /**
   * @param attention the word that a Host looks at
   * @param milliseconds how long it may be silent
   */
  constructor(attention: Int32Array<SharedArrayBuffer>, milliseconds: number) {
    this.#attention = attention;
    const source = `onmessage = ({ data: [words, attention, milliseconds] }) => {
      for (let seen; (seen = Atomics.load(words, 0)) !== ${STOPPING};) {
        if (Atomics.wait(words, 0, seen, milliseconds) !== "timed-out") continue;
        Atomics.or(attention, 0, 1 << 31);
        Atomics.notify(attention, 0);
      }
      Atomics.store(words, 1, 1);
      Atomics.notify(words, 1);
    };`;
    this.#worker = new Worker(`data:application/javascript,${encodeURIComponent(source)}`, { type: "module" });
    this.#worker.postMessage([this.#words, attention, milliseconds]);
  }

  /** All is well. */
  feed(): void {
    Atomics.add(this.#words, 0, 1);
    Atomics.notify(this.#words, 0);
  }

  /** From now on it interrupts nobody: the next case may want to be left alone. */
  [Symbol.dispose](): void {
    Atomics.store(this.#words, 0, STOPPING);
    Atomics.notify(this.#words, 0);
    Atomics.wait(this.#words, 1, 0, END_MS);
    this.#worker.terminate();
    Atomics.store(this.#attention, 0, 0);
  }
}

/** Says that a watchdog's Worker is to end. */
const STOPPING = -1;
/** How long it may take to. */
const END_MS = 10_000;
