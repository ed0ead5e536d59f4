/**
 * Where the CPU's state lives: the first bytes of the Guest's shared memory, below its RAM. The interpreter reaches
 * it through typed arrays, generated code through constant addresses, so both always see one state. Registers have
 * 64-bit slots, of which i386 uses the low half.
 *
 * Read next: `insn.ts` (what is executed), `cpu.ts` (who holds the arrays), `mmu.ts` (who fills the TLB).
 *
 * @module
 */

/** General registers RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 … R15, 8 bytes each. */
export const STATE_REGS = 0;
/** Instruction pointer, 8 bytes: the instruction being executed, exact whenever a fault can be raised. */
export const STATE_EIP = 128;
/** EFLAGS without the six arithmetic flags (these are lazy, see below), 4 bytes. */
export const STATE_EFLAGS = 136;
/** Which operation the arithmetic flags come from: one of the `CC_*` of `flags.ts`, 4 bytes. */
export const STATE_CC_OP = 140;
/** Its result, 8 bytes; sign-extended from its size. */
export const STATE_CC_RES = 144;
/** Its second operand, or the auxiliary word of `CC_UNIVERSAL`, 8 bytes. */
export const STATE_CC_SRC = 152;
/** Block entries and loop turns left until generated code returns to the dispatcher, 4 bytes, signed. */
export const STATE_BUDGET = 160;
/** 0 while CPL is 0 to 2, {@link TLB_USER} at CPL 3: added to a TLB address, 4 bytes. */
export const STATE_TLB_OFFSET = 164;
/** Virtual address of the page that generated code is running in, 4 bytes. */
export const STATE_PAGE = 168;
/** 1 if SSE instructions can be executed (CR0.EM, CR0.TS, CR4.OSFXSR), else 0, 4 bytes. */
export const STATE_SSE_READY = 172;
/** Bases of ES, CS, SS, DS, FS, GS, 8 bytes each. */
export const STATE_SEG_BASE = 176;
/** 1 where a segment (never CS) is usable, writable and spans all 4 GiB, so that no check is needed; 4 bytes each. */
export const STATE_SEG_OPEN = 224;
/** x87 data registers R0 … R7 (physical, not ST-relative), 16 bytes each: 64-bit significand, then sign and exponent (16 bits). MMX registers alias the significands. */
export const STATE_FPU_REGS = 256;
/** x87 control word, 2 bytes. */
export const STATE_FPU_CONTROL = 384;
/** x87 status word without TOP, 2 bytes. */
export const STATE_FPU_STATUS = 386;
/** x87 TOP, 0 to 7, 1 byte in a 4-byte slot. */
export const STATE_FPU_TOP = 388;
/** x87 tag byte as FXSAVE has it: bit n set = physical register n is not empty; 4-byte slot. */
export const STATE_FPU_TAGS = 392;
/** x87 last opcode (11 bits), 4 bytes. */
export const STATE_FPU_OPCODE = 396;
/** x87 last instruction pointer (offset, then selector), 4 bytes each. */
export const STATE_FPU_IP = 400;
/** x87 last data pointer (offset, then selector), 4 bytes each. */
export const STATE_FPU_DP = 408;
/** MXCSR, 4 bytes. */
export const STATE_MXCSR = 416;
/** Selectors of ES, CS, SS, DS, FS, GS, 2 bytes each. */
export const STATE_SELECTORS = 424;
/** Current privilege level, 4 bytes; a copy of `Cpu.cpl`. */
export const STATE_CPL = 436;
/** XMM0 … XMM15, 16 bytes each. */
export const STATE_XMM = 512;
/** End of the registers: what a snapshot of the CPU would copy. */
export const STATE_END = 768;

/**
 * The software TLB: {@link TLB_ENTRIES} entries of {@link TLB_ENTRY} bytes, direct-mapped by virtual page number.
 * An entry holds, for supervisor and (at {@link TLB_USER}) for user accesses: tag for reading, tag for writing, addend
 * (offset in the shared memory minus virtual address), and the physical page number with {@link TLB_GLOBAL}. A tag is
 * the page's virtual address, or {@link TLB_INVALID}, which equals no page's address.
 */
export const TLB = 0x2_0000;
/** Number of TLB entries: 16 MiB of pages without a conflict. */
export const TLB_ENTRIES = 4096;
/** Bytes per TLB entry. */
export const TLB_ENTRY = 32;
/** Offset of the user half in an entry. */
export const TLB_USER = 16;
/** Offset in a half: tag for reading (and executing: see `TLB_NX`). */
export const TLB_READ = 0;
/** Offset in a half: tag for writing. */
export const TLB_WRITE = 4;
/** Offset in a half: addend. */
export const TLB_ADDEND = 8;
/** Offset in a half: physical page address, with the flags below in its low bits. */
export const TLB_PHYS = 12;
/** Flag beside the physical address: the translation survives a CR3 load. */
export const TLB_GLOBAL = 1;
/** Flag beside the physical address: the page must not be executed. */
export const TLB_NX = 2;
/** A tag that never matches. */
export const TLB_INVALID = 1;

/**
 * The jump cache: where generated code finds the code for a virtual address without leaving WebAssembly.
 * {@link JUMP_ENTRIES} entries of 8 bytes {virtual address, table slot | entry number << 16}, one array for CPL 0 to 2
 * and a second, {@link JUMP_USER} bytes later, for CPL 3.
 */
export const JUMP = 0x8_0000;
/** Entries in each of the two jump caches; two neighbours make a set. */
export const JUMP_ENTRIES = 65536;
/** Distance of the second jump cache from the first. */
export const JUMP_USER = 0x8_0000;

/** EFLAGS bits (Intel SDM volume 1, §3.4.3). */
export const CF = 0x1, PF = 0x4, AF = 0x10, ZF = 0x40, SF = 0x80, TF = 0x100, IF = 0x200, DF = 0x400, OF = 0x800;
/** EFLAGS system bits. */
export const IOPL = 0x3000, NT = 0x4000, RF = 0x1_0000, VM = 0x2_0000, AC = 0x4_0000, VIF = 0x8_0000, VIP = 0x10_0000;
/** EFLAGS: the CPUID instruction exists if this bit can be changed. */
export const ID = 0x20_0000;
/** The six arithmetic flags. */
export const ARITHMETIC = CF | PF | AF | ZF | SF | OF;

/** Register numbers as encoded. */
export const EAX = 0, ECX = 1, EDX = 2, EBX = 3, ESP = 4, EBP = 5, ESI = 6, EDI = 7;
/** Segment register numbers as encoded. */
export const ES = 0, CS = 1, SS = 2, DS = 3, FS = 4, GS = 5;
