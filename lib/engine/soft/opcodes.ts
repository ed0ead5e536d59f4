/**
 * The opcode maps of the Intel SDM (volume 2, appendix A) as text, in its own notation, and the operations they name.
 * `decoder.ts` turns each row into a decoding recipe once, at start.
 *
 * A row: opcode (hexadecimal), mnemonic, operands, attributes. Operands: E = ModRM register or memory, G = ModRM reg,
 * I = immediate, J = relative, M = memory only, O = moffs, S = segment register, C/D = control/debug register,
 * Z = register in the opcode's low bits, A = accumulator, 1 = the constant, CL; then the size: b, w, d, q, v (operand
 * size), z (immediate of at most 32 bits), s (byte, sign-extended). Attributes: `end` (branch), `sys` (ends a block),
 * `d64` (64-bit by default in long mode), `no64` (invalid there), `only64`, `lock` (may be locked with memory).
 *
 * @module
 */

const ALU = ["ADD", "OR", "ADC", "SBB", "AND", "SUB", "XOR", "CMP"];

function aluRows(): string {
  return ALU.map((name, i) => {
    const lock = name === "CMP" ? "" : "lock";
    const at = (n: number) => (i * 8 + n).toString(16).padStart(2, "0");
    return `${at(0)} ${name} Eb Gb ${lock}
${at(1)} ${name} Ev Gv ${lock}
${at(2)} ${name} Gb Eb
${at(3)} ${name} Gv Ev
${at(4)} ${name} Ab Ib
${at(5)} ${name} Av Iz`;
  }).join("\n");
}

/** Rows whose opcode's low three or four bits are a register or a condition. */
function series(first: number, count: number, row: string): string {
  return Array.from({ length: count }, (_, i) => `${(first + i).toString(16).padStart(2, "0")} ${row}`).join("\n");
}

/** One-byte opcodes; `@n` names a group of {@link GROUPS}. */
export const ONE_BYTE = `${aluRows()}
06 PUSH Sv no64
07 POP Sv no64 sys
0e PUSH Sv no64
16 PUSH Sv no64
17 POP Sv no64 sys
1e PUSH Sv no64
1f POP Sv no64 sys
27 DAA no64
2f DAS no64
37 AAA no64
3f AAS no64
${series(0x40, 8, "INC Zv no64")}
${series(0x48, 8, "DEC Zv no64")}
${series(0x50, 8, "PUSH Zv d64")}
${series(0x58, 8, "POP Zv d64")}
60 PUSHA v no64
61 POPA v no64
62 BOUND Gv Mv no64
63 ARPL Ew Gw no64
68 PUSH Iz d64
69 IMUL Gv Ev Iz
6a PUSH Is d64
6b IMUL Gv Ev Is
6c INS b
6d INS z
6e OUTS b
6f OUTS z
${series(0x70, 16, "JCC Jb end d64")}
80 @1 Eb Ib
81 @1 Ev Iz
82 @1 Eb Ib no64
83 @1 Ev Is
84 TEST Eb Gb
85 TEST Ev Gv
86 XCHG Eb Gb lock
87 XCHG Ev Gv lock
88 MOV Eb Gb
89 MOV Ev Gv
8a MOV Gb Eb
8b MOV Gv Ev
8c MOVFROMSEG Ev Sw
8d LEA Gv Mv
8e MOVTOSEG Sw Ew sys
8f @1a Ev d64
90 NOP
${series(0x91, 7, "XCHG Zv Av")}
98 CBW v
99 CWD v
9a CALLF p end no64
9b FWAIT
9c PUSHF v d64
9d POPF v d64 sys
9e SAHF
9f LAHF
a0 MOV Ab Ob
a1 MOV Av Ov
a2 MOV Ob Ab
a3 MOV Ov Av
a4 MOVS b
a5 MOVS v
a6 CMPS b
a7 CMPS v
a8 TEST Ab Ib
a9 TEST Av Iz
aa STOS b
ab STOS v
ac LODS b
ad LODS v
ae SCAS b
af SCAS v
${series(0xb0, 8, "MOV Zb Ib")}
${series(0xb8, 8, "MOV Zv Iv")}
c0 @2 Eb Ib
c1 @2 Ev Ib
c2 RET Iw end d64
c3 RET end d64
c4 LDSEG Gv Mp no64 sys
c5 LDSEG Gv Mp no64 sys
c6 @11 Eb Ib
c7 @11 Ev Iz
c8 ENTER Iw d64
c9 LEAVE v d64
ca RETF Iw end
cb RETF end
cc INT3 end
cd INT Ib end
ce INTO end no64
cf IRET v end
d0 @2 Eb 1
d1 @2 Ev 1
d2 @2 Eb CL
d3 @2 Ev CL
d4 AAM Ib no64
d5 AAD Ib no64
d6 SALC no64
d7 XLAT
d8 X87 Ex
d9 X87 Ex
da X87 Ex
db X87 Ex
dc X87 Ex
dd X87 Ex
de X87 Ex
df X87 Ex
e0 LOOPNE Jb end d64
e1 LOOPE Jb end d64
e2 LOOP Jb end d64
e3 JCXZ Jb end d64
e4 IN Ab Ib sys
e5 IN Az Ib sys
e6 OUT Ib Ab sys
e7 OUT Ib Az sys
e8 CALL Jz end d64
e9 JMP Jz end d64
ea JMPF p end no64
eb JMP Jb end d64
ec IN Ab sys
ed IN Az sys
ee OUT Ab sys
ef OUT Az sys
f1 ICEBP end
f4 HLT sys
f5 CMC
f6 @3 Eb
f7 @3 Ev
f8 CLC
f9 STC
fa CLI sys
fb STI sys
fc CLD
fd STD
fe @4 Eb
ff @5 Ev`;

/** Opcodes after 0F. SIMD rows need no operands here: their handlers read ModRM themselves. */
export const TWO_BYTE = `00 @6 Ew
01 @7 Ev
02 LAR Gv Ew
03 LSL Gv Ew
06 CLTS sys
08 INVD sys
09 WBINVD sys
0b UD
0d NOP Ev
${series(0x10, 8, "SIMD Ex")}
18 NOP Ev
${series(0x19, 7, "NOP Ev")}
20 MOVCR Rd Cd sys
21 MOVDR Rd Dd sys
22 MOVCR Cd Rd sys
23 MOVDR Dd Rd sys
${series(0x28, 8, "SIMD Ex")}
30 WRMSR sys
31 RDTSC
32 RDMSR sys
33 RDPMC sys
34 SYSENTER end
35 SYSEXIT end
${series(0x40, 16, "CMOV Gv Ev")}
${series(0x50, 32, "SIMD Ex")}
70 SIMD Ex Ib
71 SIMD Ex Ib
72 SIMD Ex Ib
73 SIMD Ex Ib
74 SIMD Ex
75 SIMD Ex
76 SIMD Ex
77 SIMD
7e SIMD Ex
7f SIMD Ex
${series(0x80, 16, "JCC Jz end d64")}
${series(0x90, 16, "SETCC Eb")}
a0 PUSH Sv d64
a1 POP Sv d64 sys
a2 CPUID
a3 BT Ev Gv
a4 SHLD Ev Gv Ib
a5 SHLD Ev Gv CL
a8 PUSH Sv d64
a9 POP Sv d64 sys
ab BTS Ev Gv lock
ac SHRD Ev Gv Ib
ad SHRD Ev Gv CL
ae @15 Ex
af IMUL Gv Ev
b0 CMPXCHG Eb Gb lock
b1 CMPXCHG Ev Gv lock
b2 LDSEG Gv Mp sys
b3 BTR Ev Gv lock
b4 LDSEG Gv Mp sys
b5 LDSEG Gv Mp sys
b6 MOVZX Gv Eb
b7 MOVZX Gv Ew
b9 UD Gv Ev
ba @8 Ev Ib
bb BTC Ev Gv lock
bc BSF Gv Ev
bd BSR Gv Ev
be MOVSX Gv Eb
bf MOVSX Gv Ew
c0 XADD Eb Gb lock
c1 XADD Ev Gv lock
c2 SIMD Ex Ib
c3 MOVNTI Mx Gd
c4 SIMD Ex Ib
c5 SIMD Ex Ib
c6 SIMD Ex Ib
c7 @9 Mx
${series(0xc8, 8, "BSWAP Zv")}
${series(0xd0, 48, "SIMD Ex")}
ff UD Gv Ev`;

/** ModRM groups: eight mnemonics by the reg field, `-` for none. */
export const GROUPS: Record<string, string> = {
  "1": "ADD:lock OR:lock ADC:lock SBB:lock AND:lock SUB:lock XOR:lock CMP",
  "1a": "POP - - - - - - -",
  "2": "ROL ROR RCL RCR SHL SHR SHL SAR",
  "3": "TEST:imm TEST:imm NOT:lock NEG:lock MUL IMUL1 DIV IDIV",
  "4": "INC:lock DEC:lock - - - - - -",
  "5": "INC:lock DEC:lock CALLI:end JCALLF:end JMPI:end JMPFI:end PUSH -",
  "6": "SLDT STR LLDT:sys LTR:sys VERR VERW - -",
  "7": "SGDT SIDT LGDT:sys LIDT:sys SMSW - LMSW:sys INVLPG:sys",
  "8": "- - - - BT BTS:lock BTR:lock BTC:lock",
  "9": "- CMPXCHG8B:lock - - - - - -",
  "11": "MOV - - - - - - -",
  "15": "FXSAVE FXRSTOR LDMXCSR STMXCSR - LFENCE MFENCE SFENCE",
};

/** Every mnemonic above, numbered: `OP.ADD` and so on. */
export const OP: Readonly<Record<string, number>> = numberMnemonics();

function numberMnemonics(): Record<string, number> {
  const names = new Set<string>();
  for (const line of `${ONE_BYTE}\n${TWO_BYTE}`.split("\n")) {
    const name = line.split(" ")[1]!;
    if (!name.startsWith("@")) names.add(name);
  }
  for (const group of Object.values(GROUPS)) {
    for (const entry of group.split(" ")) if (entry !== "-") names.add(entry.split(":")[0]!);
  }
  return Object.fromEntries([...names].map((name, i) => [name, i + 1]));
}
