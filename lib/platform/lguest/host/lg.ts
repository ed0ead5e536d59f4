/**
 * All that the Host knows about a Guest, as the original's `lg.h` has it, and how it reaches into the Guest's memory.
 *
 * Nothing that a Guest says is believed: an address is checked before it is used, and a Guest that breaks a rule is
 * killed, with a reason. As in the original the first reason stands, and the code behind a {@link Lguest.kill} goes on
 * with zeros until it can stop. Read next: `hypercalls.ts`, `interrupts_and_traps.ts`, `page_tables.ts`, `segments.ts`.
 *
 * @module
 */
import type { Cpu } from "../../../engine/soft/cpu.ts";
import type { GuestMemory } from "../../../memory.ts";
import { DATA, type Generation } from "../generation.ts";
import { GDT_ENTRIES } from "../protocol.ts";
import { type HostCounts, newCounts } from "./counts.ts";

/** Size of a page. */
export const PAGE_SIZE = 4096;

/** What a Host is made of. */
export interface LguestParts {
  /** The Guest's memory. */
  readonly memory: GuestMemory;
  /** Which protocol the Guest speaks. */
  readonly generation: Generation;
  /** Nanoseconds on a clock that never goes back. */
  readonly now: () => number;
}

/** One Guest with one virtual CPU. */
export class Lguest {
  /** The processor that runs the Guest: set once, by whoever makes both. */
  cpu!: Cpu;
  readonly memory: GuestMemory;
  readonly generation: Generation;
  readonly now: () => number;
  /** How often the Guest came to the Host, and why. */
  readonly counts: HostCounts = newCounts();

  /** The Guest's page frames: below `pfnLimit` memory, then up to `deviceLimit` registers of devices. */
  pfnLimit = 0;
  deviceLimit = 0;
  /** Why it is dead, if it is; a Guest that wants to be started again is dead too. */
  dead: string | undefined;
  restart = false;

  /** Guest-physical address of its `struct lguest_data`; absent until LGUEST_INIT. */
  data: number | undefined;
  /** From `struct lguest_data`, as it was at LGUEST_INIT. */
  noirqStart = 0;
  noirqEnd = 0;
  kernelAddress = 0;

  /** Its top-level page table, Guest-physical; and that it has none yet: addresses are physical then. */
  pgdir = 0;
  linear = true;
  /** An access to a device's page: the Guest-physical address. Set together with the page fault that it raises. */
  iomem: number | undefined;

  /** The stack of its kernel: segment, top, and how many pages below that must always be there. */
  ss1 = 0;
  esp1 = 0;
  stackPages = 0;

  /** Gates: low word and high word of each; 0 where there is none. */
  readonly idt: Int32Array = new Int32Array(2 * 256);
  /** Descriptors: low word and high word of each. */
  readonly gdt: Int32Array = new Int32Array(2 * GDT_ENTRIES);

  /** {@link pfnLimit} in bytes, as far as there is memory. */
  #limit = 0;
  /** All of the shared memory, and where the Guest's physical address 0 is in it. */
  readonly #view: DataView;
  readonly #base: number;

  /** Interrupts that wait, one bit each; and those of them that the Guest did not block when it was last looked at. */
  irqsPending = 0;
  irqsReady = 0;
  /** When its clock event is due, by {@link now}; `Infinity` if none is set. */
  clockEvent = Infinity;

  /** A hypercall was made and not yet executed: its arguments are in the registers. */
  hcall = false;
  /** Which entry of the ring of hypercalls comes next. */
  nextHcall = 0;
  /** It notified an address, which the Launcher has not heard of yet. */
  pendingNotify: number | undefined;
  /** It executed an instruction that the Launcher must emulate: trap 13 or 14. */
  pendingTrap: number | undefined;
  /** Of the last trap: its error code, and (of a page fault) its address. */
  errorCode = 0;
  lastPageFault = 0;

  /** @param parts what it is made of */
  constructor(parts: LguestParts) {
    this.memory = parts.memory;
    this.generation = parts.generation;
    this.now = parts.now;
    this.#view = new DataView(parts.memory.memory.buffer);
    this.#base = parts.memory.base;
  }

  /** Forget the Guest. */
  reset(): void {
    this.setLimits(0, 0);
    this.dead =
      this.data =
      this.iomem =
      this.pendingNotify =
      this.pendingTrap =
        undefined;
    this.restart = this.hcall = false;
    this.noirqStart =
      this.noirqEnd =
      this.kernelAddress =
      this.pgdir =
        0;
    this.linear = true;
    this.ss1 =
      this.esp1 =
      this.stackPages =
      this.irqsPending =
      this.irqsReady =
      this.nextHcall =
        0;
    this.errorCode = this.lastPageFault = 0;
    this.clockEvent = Infinity;
    this.idt.fill(0);
    this.gdt.fill(0);
  }

  /** Which page frames are the Guest's memory, and which its devices' registers. */
  setLimits(pfnLimit: number, deviceLimit: number): void {
    this.pfnLimit = pfnLimit;
    this.deviceLimit = deviceLimit;
    this.#limit = Math.min(pfnLimit * PAGE_SIZE, this.memory.size);
  }

  /** The Guest has broken a rule; the first reason stands. */
  kill(reason: string): void {
    this.dead ??= reason;
  }

  /** Whether the engine must be left: the Launcher has to do something. */
  get mustStop(): boolean {
    return this.dead !== undefined || this.pendingNotify !== undefined || this.pendingTrap !== undefined;
  }

  /**
   * Whether `length` bytes at a Guest-physical address are the Guest's memory. Before 4.0 the original refused what
   * ends exactly at the limit; there is nothing there that a Guest could want, so neither is an error here.
   */
  addressOk(address: number, length: number): boolean {
    return address >= 0 && address + length <= this.#limit;
  }

  /** A word at a Guest-physical address, unsigned; 0 for a Guest that is killed for it. */
  read32(address: number): number {
    if (this.addressOk(address, 4)) return this.#view.getUint32(this.#base + address, true);
    this.kill(`bad read address ${hex(address)} len 4`);
    return 0;
  }

  /** Write a word at a Guest-physical address. */
  write32(address: number, value: number): void {
    if (this.addressOk(address, 4)) this.#write(address, value);
    else this.kill(`bad write address ${hex(address)} len 4`);
  }

  /** Write a word; only where there is code somebody has to be told of it. */
  #write(address: number, value: number): void {
    const { codePages } = this.cpu.mmu;
    if (codePages[address >>> 12]! | codePages[address + 3 >>> 12]!) this.memory.setUint32(address, value);
    else this.#view.setUint32(this.#base + address, value, true);
  }

  /** A copy of bytes at a Guest-physical address; zeros for a Guest that is killed for it. */
  readBytes(address: number, length: number): Uint8Array {
    if (this.addressOk(address, length)) return this.memory.copy(address, length);
    this.kill(`bad read address ${hex(address)} len ${length}`);
    return new Uint8Array(length);
  }

  /** A field of `struct lguest_data`, unsigned; only once {@link data} is set, when all of it was found to be memory. */
  getData(offset: number): number {
    return this.#view.getUint32(this.#base + this.data! + offset, true);
  }

  /** Set a field of `struct lguest_data`. */
  setData(offset: number, value: number): void {
    this.#write(this.data! + offset, value);
  }

  /** Tell the Guest the time of day. */
  writeTimestamp(): void {
    const now = Date.now();
    this.setData(DATA.TIME, Math.floor(now / 1000));
    this.setData(DATA.TIME + 4, (now % 1000) * 1_000_000);
  }
}

/** A number as the kernel's `%#lx` prints it. */
export function hex(value: number): string {
  return value === 0 ? "0" : `0x${(value >>> 0).toString(16)}`;
}
