/**
 * Exceptions of the processor, as one JavaScript object that is made once: throwing it through generated code is
 * cheap, making one is not.
 *
 * @module
 */

/** Vectors (Intel SDM volume 3, §6.15). */
export const DE = 0, DB = 1, NMI = 2, BP = 3, OFLOW = 4, BR = 5, UD = 6, NM = 7, DOUBLE = 8, TS = 10, NP = 11;
/** Vectors, continued. */
export const STACK = 12, GP = 13, PAGE = 14, MF = 16, ALIGN = 17, XM = 19;

/** What is thrown: the fault to deliver at the instruction that `STATE_EIP` names. */
export class CpuFault {
  /** Vector, 0 to 31. */
  vector = 0;
  /** Error code, or -1 if the vector has none. */
  code = -1;
  /** For #PF: the linear address, to go into CR2 on delivery. */
  address = 0;
}

/** Thrown when generated code must be left at the current instruction, to be interpreted from there. */
export const RETRY = { name: "retry in the interpreter" };
