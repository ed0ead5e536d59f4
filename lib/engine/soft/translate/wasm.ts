/**
 * WebAssembly's binary format, as much as the translator emits of it (WebAssembly specification 2.0, §5, with tail
 * calls): instructions as bytes. Meaning is given in `emission.ts` and by the emitters; `wasm_module.ts` makes modules of
 * them.
 *
 * @module
 */

/** Value types (§5.3.1). */
export const I32 = 0x7f, I64 = 0x7e, F32 = 0x7d, F64 = 0x7c, V128 = 0x7b;
/** Block type without parameters and results. */
export const VOID = 0x40;

/** What a compiler is told of a branch: whether it is nearly always taken, or nearly never. */
export interface BranchHint {
  /** Where the branch stands, in bytes from the start of the code. */
  readonly at: number;
  /** Whether it is taken: for an `if`, whether its first part is executed. */
  readonly taken: boolean;
}

/** A growing sequence of instructions. */
export class Code {
  #bytes = new Uint8Array(4096);
  /** Bytes so far. */
  length = 0;
  /** Of its branches, in order. */
  readonly hints: BranchHint[] = [];

  /** Start again, keeping the buffer. */
  clear(): void {
    this.length = 0;
    this.hints.length = 0;
  }

  /** The next instruction is an `if` or `br_if`; nearly always it goes this way. */
  expect(taken: boolean): void {
    this.hints.push({ at: this.length, taken });
  }

  /** A copy of the bytes. */
  toBytes(): Uint8Array {
    return this.#bytes.slice(0, this.length);
  }

  /** The bytes, valid until something is added. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }

  /** One byte. */
  byte(value: number): void {
    if (this.length === this.#bytes.length) this.#grow(1);
    this.#bytes[this.length++] = value;
  }

  /** Bytes as they are. */
  raw(bytes: Uint8Array): void {
    if (this.length + bytes.length > this.#bytes.length) this.#grow(bytes.length);
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  #grow(more: number): void {
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.length + more));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }

  /** Unsigned LEB128. */
  unsigned(value: number): void {
    while (value > 0x7f) {
      this.byte(value & 0x7f | 0x80);
      value >>>= 7;
    }
    this.byte(value);
  }

  /** Signed LEB128 of a 32-bit value. */
  signed(value: number): void {
    for (;;) {
      const low = value & 0x7f;
      value >>= 7;
      if ((value === 0 && (low & 0x40) === 0) || (value === -1 && (low & 0x40) !== 0)) return this.byte(low);
      this.byte(low | 0x80);
    }
  }

  /** `i32.const`. */
  const(value: number): void {
    this.byte(0x41);
    this.signed(value | 0);
  }

  /** `i64.const` of a value that fits 32 bits. */
  const64(value: number): void {
    this.byte(0x42);
    this.signed(value | 0);
  }

  /** `i64.const` of any value. */
  bigConst64(value: bigint): void {
    this.byte(0x42);
    for (;;) {
      const low = Number(value & 0x7fn);
      value >>= 7n;
      if ((value === 0n && (low & 0x40) === 0) || (value === -1n && (low & 0x40) !== 0)) return this.byte(low);
      this.byte(low | 0x80);
    }
  }

  /** `f64.const`. */
  float64(value: number): void {
    this.byte(0x44);
    const bytes = new Uint8Array(new Float64Array([value]).buffer);
    for (const byte of bytes) this.byte(byte);
  }

  /** `local.get`. */
  get(local: number): void {
    this.byte(0x20);
    this.unsigned(local);
  }

  /** `local.set`. */
  set(local: number): void {
    this.byte(0x21);
    this.unsigned(local);
  }

  /** `local.tee`. */
  tee(local: number): void {
    this.byte(0x22);
    this.unsigned(local);
  }

  /** A load or store: opcode, alignment exponent 0 (Guest addresses have none), offset. */
  memory(opcode: number, offset: number): void {
    this.byte(opcode);
    this.byte(0);
    this.unsigned(offset);
  }

  /** A SIMD instruction (prefix FD). */
  simd(opcode: number): void {
    this.byte(0xfd);
    this.unsigned(opcode);
  }

  /** A SIMD load or store. */
  simdMemory(opcode: number, offset: number): void {
    this.simd(opcode);
    this.byte(0);
    this.unsigned(offset);
  }

  /** A bulk memory instruction (prefix FC) on memory 0: `memory.copy` has two memory indices, `memory.fill` one. */
  bulk(opcode: number, indices: number): void {
    this.byte(0xfc);
    this.unsigned(opcode);
    for (let i = 0; i < indices; i++) this.byte(0);
  }

  /** `call`. */
  call(func: number): void {
    this.byte(0x10);
    this.unsigned(func);
  }

  /** `return_call`. */
  returnCall(func: number): void {
    this.byte(0x12);
    this.unsigned(func);
  }

  /** `br`. */
  br(depth: number): void {
    this.byte(0x0c);
    this.unsigned(depth);
  }

  /** `br_if`. */
  brIf(depth: number): void {
    this.byte(0x0d);
    this.unsigned(depth);
  }

  /** `br_table`; the last depth is the default. */
  brTable(depths: readonly number[]): void {
    this.byte(0x0e);
    this.unsigned(depths.length - 1);
    for (const depth of depths) this.unsigned(depth);
  }
}

/** Opcodes without immediates. */
export const W = {
  UNREACHABLE: 0x00,
  BLOCK: 0x02,
  LOOP: 0x03,
  IF: 0x04,
  ELSE: 0x05,
  END: 0x0b,
  RETURN: 0x0f,
  RETURN_CALL_INDIRECT: 0x13,
  CALL_INDIRECT: 0x11,
  DROP: 0x1a,
  SELECT: 0x1b,
  I32_LOAD: 0x28,
  I64_LOAD: 0x29,
  F32_LOAD: 0x2a,
  F64_LOAD: 0x2b,
  I32_LOAD8_S: 0x2c,
  I32_LOAD8_U: 0x2d,
  I32_LOAD16_S: 0x2e,
  I32_LOAD16_U: 0x2f,
  I32_STORE: 0x36,
  I64_STORE: 0x37,
  F32_STORE: 0x38,
  F64_STORE: 0x39,
  I32_STORE8: 0x3a,
  I32_STORE16: 0x3b,
  EQZ: 0x45,
  EQ: 0x46,
  NE: 0x47,
  LT_S: 0x48,
  LT_U: 0x49,
  GT_S: 0x4a,
  GT_U: 0x4b,
  LE_S: 0x4c,
  LE_U: 0x4d,
  GE_S: 0x4e,
  GE_U: 0x4f,
  I64_EQZ: 0x50,
  I64_EQ: 0x51,
  I64_NE: 0x52,
  I64_LT_S: 0x53,
  I64_LT_U: 0x54,
  I64_GT_U: 0x56,
  I64_GE_U: 0x5a,
  CLZ: 0x67,
  CTZ: 0x68,
  POPCNT: 0x69,
  ADD: 0x6a,
  SUB: 0x6b,
  MUL: 0x6c,
  DIV_S: 0x6d,
  DIV_U: 0x6e,
  REM_S: 0x6f,
  REM_U: 0x70,
  AND: 0x71,
  OR: 0x72,
  XOR: 0x73,
  SHL: 0x74,
  SHR_S: 0x75,
  SHR_U: 0x76,
  ROTL: 0x77,
  ROTR: 0x78,
  I64_ADD: 0x7c,
  I64_SUB: 0x7d,
  I64_MUL: 0x7e,
  I64_DIV_S: 0x7f,
  I64_DIV_U: 0x80,
  I64_REM_S: 0x81,
  I64_REM_U: 0x82,
  I64_AND: 0x83,
  I64_OR: 0x84,
  I64_SHL: 0x86,
  I64_SHR_S: 0x87,
  I64_SHR_U: 0x88,
  WRAP: 0xa7,
  EXTEND_S: 0xac,
  EXTEND_U: 0xad,
  EXTEND8_S: 0xc0,
  EXTEND16_S: 0xc1,
} as const;
