/**
 * PCI bus 0: which device number is which function, and who answers which memory address.
 *
 * Functions enter at start, in order of their device numbers; configuration accesses enter from the host bridge
 * (`host_bridge.ts`). What leaves is the decoding: whenever a BAR or a memory-enable bit changes, the bus registers the
 * BARs anew in the platform's address space. A driver may write any nonsense into a BAR, so the bus says who answers:
 *
 * - RAM comes first: a BAR that reaches below the end of RAM decodes nothing;
 * - then the platform's own registers at fixed addresses;
 * - then the lower device number, and the lower BAR: one that overlaps it decodes nothing, until one of them moves.
 *
 * Read next: `function.ts`, `firmware.ts`.
 *
 * @module
 */
import type { AddressSpace, BusDevice, Width } from "../platform/bus.ts";
import type { AddressRange, PciFunction } from "./function.ts";

/** How many device numbers a bus has; the first is the host bridge's (PCI 3.0 §3.2.2.3.2). */
export const DEVICE_NUMBERS = 32;

/** What a read gives where nothing answers, by width (PCI 3.0 §6.1). */
export const ALL_ONES: Readonly<Record<Width, number>> = { 1: 0xff, 2: 0xffff, 4: 0xffff_ffff };

/** A BAR that answers. */
interface Claim extends AddressRange {
  readonly name: string;
  readonly registers: BusDevice;
}

/** Bus 0. */
export class PciBus {
  readonly #functions: PciFunction[] = [];
  readonly #memory: AddressSpace;
  readonly #ramEnd: number;
  #claims: Claim[] = [];

  /**
   * A bus with nothing on it.
   *
   * @param memory where BARs are registered
   * @param ramEnd one past the last byte of RAM
   */
  constructor(memory: AddressSpace, ramEnd: number) {
    this.#memory = memory;
    this.#ramEnd = ramEnd;
  }

  /** What is on the bus, by device number. */
  get functions(): readonly PciFunction[] {
    return this.#functions;
  }

  /**
   * Put a function into the next slot.
   *
   * @returns its device number
   * @throws {RangeError} if all are taken
   */
  add(pciFunction: PciFunction): number {
    if (this.#functions.length === DEVICE_NUMBERS) {
      throw new RangeError(`No room for "${pciFunction.name}": a PCI bus takes ${DEVICE_NUMBERS - 1} devices`);
    }
    pciFunction.onDecodeChange = () => this.#decode();
    return this.#functions.push(pciFunction) - 1;
  }

  /** Every function back to power-on: nothing answers in memory. */
  reset(): void {
    for (const pciFunction of this.#functions) pciFunction.reset();
  }

  /**
   * Read a function's configuration space; all ones if there is none of that number.
   *
   * @param device 0 to 31
   * @param offset 0 to 255, within one 32-bit register
   * @param width bytes
   */
  read(device: number, offset: number, width: Width): number {
    return this.#functions[device]?.read(offset, width) ?? ALL_ONES[width];
  }

  /** Write a function's configuration space, as {@link read}; lost if there is none of that number. */
  write(device: number, offset: number, width: Width, value: number): void {
    this.#functions[device]?.write(offset, width, value);
  }

  #decode(): void {
    const wanted: Claim[] = [];
    for (const pciFunction of this.#functions) {
      for (const bar of pciFunction.bars) {
        const range = pciFunction.rangeOf(bar);
        if (!range || range.start < this.#ramEnd) continue;
        if (wanted.some((other) => range.start < other.end && other.start < range.end)) continue;
        wanted.push({ ...range, name: pciFunction.name, registers: bar.registers });
      }
    }
    const stays = (claim: Claim, among: readonly Claim[]) =>
      among.find((other) => other.registers === claim.registers && other.start === claim.start);
    for (const claim of this.#claims) if (!stays(claim, wanted)) this.#memory.unregister(claim.start);
    this.#claims = wanted.filter((claim) => stays(claim, this.#claims) ?? this.#register(claim));
  }

  #register({ start, end, registers, name }: Claim): boolean {
    if (!this.#memory.isFree(start, end - start)) return false;
    this.#memory.register(start, end - start, registers, name);
    return true;
  }
}
