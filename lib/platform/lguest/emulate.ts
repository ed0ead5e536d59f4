/**
 * The Launcher's part of a trap (Linux 4.0 and later): an exit of kind "trap" enters, and the Guest continues behind
 * the instruction, or takes the trap itself if the instruction is none that can be emulated.
 *
 * Traps 13 are port and other privileged instructions of the kernel, traps 14 accesses to a device's registers. Read next:
 * `instruction.ts` (what the bytes mean), `launcher.ts` (who calls this).
 *
 * @module
 */
import type { GuestMemory } from "../../memory.ts";
import type { Bus, Width } from "../bus.ts";
import type { LguestDevice, LguestExit } from "./device.ts";
import { decodeMmio, decodePrivileged, type MmioInstruction, type RegisterPart } from "./instruction.ts";
import { GUEST_PL } from "./protocol.ts";

/** An exit that this file answers. */
export type TrapExit = Extract<LguestExit, { kind: "trap" }>;

/** A bus that can tell whether anything answers. */
export interface MmioBus extends Bus {
  /** Whether nobody answers any of `length` addresses from `start`. */
  isFree(start: number, length: number): boolean;
}

/** What an {@link Emulator} works on. */
export interface EmulatorParts {
  /** The Host, with its registers. */
  readonly device: LguestDevice;
  /** What answers IN and OUT. */
  readonly ports: Bus;
  /** The devices' registers, at Guest-physical addresses. */
  readonly mmio: MmioBus;
  /** The Guest's memory, where the end of a long instruction is read. */
  readonly memory: GuestMemory;
  /** Told, in one line, whenever a trap is left to the Guest's own handler. */
  readonly warn: (message: string) => void;
}

/** General protection fault: a privileged instruction. */
const TRAP_GP = 13;
/** Page fault: a device's register. */
const TRAP_PF = 14;

/**
 * Where Linux's linear mapping may begin (`CONFIG_PAGE_OFFSET`; arch/x86/Kconfig, "Memory split"): kernel text lies at
 * its physical address above one of these.
 */
const PAGE_OFFSETS = [0xc0000000, 0xb0000000, 0x80000000, 0x78000000, 0x40000000] as const;

/** Emulates what traps. */
export class Emulator {
  readonly #parts: EmulatorParts;

  /** @param parts what to work on */
  constructor(parts: EmulatorParts) {
    this.#parts = parts;
  }

  /**
   * Emulate one instruction and move the Guest past it, or have the Guest take the trap.
   *
   * @param exit what {@link LguestDevice.run} came back with
   * @returns why the Guest cannot go on, if the trap is its own and it has no handler for it
   * @throws {RangeError} if the trap is neither 13 nor 14: no Host gives another
   */
  handle(exit: TrapExit): string | undefined {
    const { device, warn } = this.#parts;
    if (exit.trap !== TRAP_GP && exit.trap !== TRAP_PF) {
      throw new RangeError(`The Host handed over trap ${exit.trap}; only ${TRAP_GP} and ${TRAP_PF} can be emulated`);
    }
    const eip = device.getRegister("eip");
    const refused = exit.trap === TRAP_GP ? this.#privileged(exit, eip) : this.#mmio(exit, eip);
    if (refused === undefined) return undefined;
    const bytes = [...exit.instruction].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const where = `trap ${exit.trap} at 0x${hex(eip)} (${bytes})`;
    if (!device.injectTrap(exit.trap)) return `unhandled ${where}: ${refused}`;
    warn(`${where} is the Guest's: ${refused}`);
    return undefined;
  }

  /** Emulate a privileged instruction; gives the reason if it cannot be. */
  #privileged({ instruction }: TrapExit, eip: number): string | undefined {
    const { device, ports } = this.#parts;
    // A user program has no ports: its kernel has to tell it so.
    const level = device.getRegister("cs") & 3;
    if (level !== GUEST_PL) return `it happened at privilege level ${level}`;
    const decoded = decodePrivileged(instruction);
    if (decoded === undefined) return "no instruction that is emulated";
    if (decoded.kind === "cr4") this.#setPart(decoded.register, 4, 0);
    else if (decoded.kind !== "skip") {
      const port = decoded.port === "dx" ? device.getRegister("edx") & 0xffff : decoded.port;
      const accumulator: RegisterPart = { name: "eax", shift: 0 };
      if (decoded.kind === "in") this.#setPart(accumulator, decoded.width, ports.read(port, decoded.width));
      else ports.write(port, decoded.width, this.#getPart(accumulator, decoded.width));
    }
    device.setRegister("eip", (eip + decoded.length) >>> 0);
    return undefined;
  }

  /**
   * Emulate an access to a device's register; gives the reason if it cannot be. At any privilege level: the Host has
   * asked the Guest's page tables already, and a user program may have a device mapped.
   */
  #mmio({ instruction, address }: TrapExit, eip: number): string | undefined {
    const { device, mmio } = this.#parts;
    const decoded = this.#decodeMmio(instruction, eip);
    if (decoded === undefined) return "no move to or from memory";
    const { width } = decoded;
    if (mmio.isFree(address, width)) return `no device at 0x${hex(address)}`;
    if (decoded.direction === "load") {
      const value = extend(mmio.read(address, width), width, decoded.extend);
      this.#setPart(decoded.register, decoded.registerWidth, value);
    } else {
      const { source } = decoded;
      mmio.write(address, width, typeof source === "number" ? source : this.#getPart(source, width));
    }
    device.setRegister("eip", (eip + decoded.length) >>> 0);
    return undefined;
  }

  #decodeMmio(instruction: Uint8Array, eip: number): MmioInstruction | undefined {
    const first = decodeMmio(instruction);
    if (first === undefined || "length" in first) return first;
    const longer = readKernelText(this.#parts.memory, { eip, known: instruction, count: first.needs });
    const second = longer && decodeMmio(longer);
    return second && "length" in second ? second : undefined;
  }

  #getPart({ name, shift }: RegisterPart, width: Width): number {
    return (this.#parts.device.getRegister(name) >>> shift & mask(width)) >>> 0;
  }

  /** Set a register's lowest `width` bytes (from `shift` on); the others stay. */
  #setPart({ name, shift }: RegisterPart, width: Width, value: number): void {
    const { device } = this.#parts;
    const bits = mask(width) << shift;
    const others = width === 4 ? 0 : device.getRegister(name) & ~bits;
    device.setRegister(name, (others | value << shift & bits) >>> 0);
  }
}

/**
 * Read an instruction that the Host gave only the beginning of. The page tables are the Host's business, but a kernel
 * is mapped linearly; that the bytes there begin with the known ones shows that it is the right place. Code elsewhere,
 * such as a module's, is not found.
 *
 * @param memory the Guest's memory
 * @param where the instruction's virtual address, what is known of it, and how many bytes are wanted
 * @returns that many bytes, or `undefined`
 */
export function readKernelText(
  memory: GuestMemory,
  { eip, known, count }: { eip: number; known: Uint8Array; count: number },
): Uint8Array | undefined {
  for (const pageOffset of PAGE_OFFSETS) {
    const address = eip - pageOffset;
    if (address < 0 || address + count > memory.size) continue;
    const bytes = memory.copy(address, count);
    if (known.every((byte, index) => index >= count || bytes[index] === byte)) return bytes;
  }
  return undefined;
}

function extend(value: number, width: Width, how: "none" | "zero" | "sign"): number {
  const unused = 32 - 8 * width;
  return how === "sign" ? value << unused >> unused : value;
}

function mask(width: Width): number {
  return width === 4 ? -1 : (1 << 8 * width) - 1;
}

function hex(value: number): string {
  return value.toString(16);
}
