/**
 * Memory by linear address, as the interpreter reads and writes it: at once where the software TLB knows the page, by
 * way of `mmu.ts` where it does not. Generated code does the same in `translate/memory_access.ts`.
 *
 * Enters: an address. Leaves: the bytes, or a fault. Read next: `mmu.ts`.
 *
 * @module
 */
import type { Mmu } from "./mmu.ts";
import { Registers } from "./registers.ts";
import { STATE_TLB_OFFSET, TLB, TLB_ADDEND, TLB_READ, TLB_WRITE } from "./state.ts";

const MASK_TLB = 0x1_ffe0;
const I_TLB_OFFSET = STATE_TLB_OFFSET >> 2;
const I_TLB_READ = (TLB + TLB_READ) >> 2, I_TLB_WRITE = (TLB + TLB_WRITE) >> 2, I_TLB_ADDEND = (TLB + TLB_ADDEND) >> 2;

/** Registers, and memory as they address it. */
export abstract class LinearMemory extends Registers {
  /** Address translation. */
  abstract readonly mmu: Mmu;

  /** Read a byte, unsigned. */
  read8(address: number): number {
    const entry = (((address >>> 7) & MASK_TLB) + this.i32[I_TLB_OFFSET]!) >> 2;
    if (this.i32[I_TLB_READ + entry] === (address & ~0xfff)) {
      return this.u8[(address + this.i32[I_TLB_ADDEND + entry]!) >>> 0]!;
    }
    return this.mmu.readSlow(address, 1);
  }

  /** Read 16 bits, unsigned. */
  read16(address: number): number {
    const entry = (((address >>> 7) & MASK_TLB) + this.i32[I_TLB_OFFSET]!) >> 2;
    if (this.i32[I_TLB_READ + entry] === ((address + 1) & ~0xfff)) {
      return this.view.getUint16((address + this.i32[I_TLB_ADDEND + entry]!) >>> 0, true);
    }
    return this.mmu.readSlow(address, 2);
  }

  /** Read 32 bits, signed. */
  read32(address: number): number {
    const entry = (((address >>> 7) & MASK_TLB) + this.i32[I_TLB_OFFSET]!) >> 2;
    if (this.i32[I_TLB_READ + entry] === ((address + 3) & ~0xfff)) {
      return this.view.getInt32((address + this.i32[I_TLB_ADDEND + entry]!) >>> 0, true);
    }
    return this.mmu.readSlow(address, 4);
  }

  /** Write a byte. */
  write8(address: number, value: number): void {
    const entry = (((address >>> 7) & MASK_TLB) + this.i32[I_TLB_OFFSET]!) >> 2;
    if (this.i32[I_TLB_WRITE + entry] === (address & ~0xfff)) {
      this.u8[(address + this.i32[I_TLB_ADDEND + entry]!) >>> 0] = value;
    } else this.mmu.writeSlow(address, 1, value);
  }

  /** Write 16 bits. */
  write16(address: number, value: number): void {
    const entry = (((address >>> 7) & MASK_TLB) + this.i32[I_TLB_OFFSET]!) >> 2;
    if (this.i32[I_TLB_WRITE + entry] === ((address + 1) & ~0xfff)) {
      this.view.setUint16((address + this.i32[I_TLB_ADDEND + entry]!) >>> 0, value, true);
    } else this.mmu.writeSlow(address, 2, value);
  }

  /** Write 32 bits. */
  write32(address: number, value: number): void {
    const entry = (((address >>> 7) & MASK_TLB) + this.i32[I_TLB_OFFSET]!) >> 2;
    if (this.i32[I_TLB_WRITE + entry] === ((address + 3) & ~0xfff)) {
      this.view.setInt32((address + this.i32[I_TLB_ADDEND + entry]!) >>> 0, value, true);
    } else this.mmu.writeSlow(address, 4, value);
  }

  /** Read 1 or 2 bytes unsigned, or 4 signed. */
  read(address: number, size: number): number {
    return size === 4 ? this.read32(address) : size === 2 ? this.read16(address) : this.read8(address);
  }

  /** Write 1, 2 or 4 bytes. */
  write(address: number, size: number, value: number): void {
    if (size === 4) this.write32(address, value);
    else if (size === 2) this.write16(address, value);
    else this.write8(address, value);
  }

  /**
   * Raise now whatever a write of `size` bytes (at most 4096) would raise, so that several writes happen wholly or not
   * at all.
   */
  probeWrite(address: number, size: number): void {
    this.mmu.probe(address, true);
    const last = address + size - 1 | 0;
    if (((last ^ address) & ~0xfff) !== 0) this.mmu.probe(last & ~0xfff, true);
  }

  /** As {@link probeWrite}, for reads. */
  probeRead(address: number, size: number): void {
    this.mmu.probe(address, false);
    const last = address + size - 1 | 0;
    if (((last ^ address) & ~0xfff) !== 0) this.mmu.probe(last & ~0xfff, false);
  }

  /**
   * Where `size` bytes (at most 4096) stand in shared memory, if the TLB allows the access to all of them at once.
   *
   * @returns an offset, or -1: use the other ways, which raise what must be raised
   */
  direct(address: number, size: number, write: boolean): number {
    const entry = (((address >>> 7) & MASK_TLB) + this.i32[I_TLB_OFFSET]!) >> 2;
    const tag = this.i32[(write ? I_TLB_WRITE : I_TLB_READ) + entry]!;
    if (tag !== (address & ~0xfff) || ((address & 0xfff) + size) > 4096) return -1;
    return (address + this.i32[I_TLB_ADDEND + entry]!) >>> 0;
  }
}
