/**
 * Debian's own i386 programs in the Guest, which check themselves or are checked against the same programs on the
 * host. The long run is `scripts/guest_programs.ts`.
 */
import { checkCompiler, COMPILER, PROGRAM } from "./_compiler.ts";
import { checkCompression, COMPRESSORS } from "./_compression.ts";
import { CALCULATORS, checkFloatingPoint } from "./_floating_point.ts";
import { CANNOT_BOOT } from "./_needs.ts";
import { checkOpenssl } from "./_openssl.ts";
import { checkStress, STRESS } from "./_stress.ts";
import { openWorkbench } from "./_workbench.ts";

const ignore = CANNOT_BOOT;

Deno.test({
  name: "Guest.run() runs compressors, OpenSSL, perl and awk as the processor underneath does",
  ignore,
  fn: async (t) => {
    await using bench = await openWorkbench("686", [...COMPRESSORS, ...CALCULATORS]);
    await t.step("compressors pack what they pack on the host, and unpack it again", () => checkCompression(bench));
    await t.step("OpenSSL has right digests, ciphers and signatures", () => checkOpenssl(bench));
    await t.step("perl and awk print the floating-point numbers of the host", () => checkFloatingPoint(bench));
    await bench.powerOff();
  },
});

Deno.test({
  name: "Guest.run() runs a compiler, what it compiles, and stress-ng's methods with right results",
  ignore,
  fn: async (t) => {
    await using bench = await openWorkbench("686-pae", [...COMPILER, ...STRESS], PROGRAM);
    await t.step("tcc compiles a program that prints what it should", () => checkCompiler(bench));
    await t.step("stress-ng verifies each of its processor methods", () => checkStress(bench, 1));
    await bench.powerOff();
  },
});
