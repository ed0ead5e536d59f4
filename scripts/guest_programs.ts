/**
 * The long run of Debian's programs in the Guest: the suite's checks (`tests/boots/programs_test.ts`) on both kernels,
 * stress-ng's methods many times over, and more of its stressors. It goes on after a failure.
 *
 * ```sh
 * deno run -P scripts/guest_programs.ts [turns of each stress-ng method]
 * ```
 *
 * Leaves a line per check; status 1 if one failed.
 *
 * @module
 */
import { checkCompiler, COMPILER, PROGRAM } from "../tests/boots/_compiler.ts";
import { checkCompression, COMPRESSORS } from "../tests/boots/_compression.ts";
import { CALCULATORS, checkFloatingPoint } from "../tests/boots/_floating_point.ts";
import { checkOpenssl } from "../tests/boots/_openssl.ts";
import { runStress, STRESS, stressMethods } from "../tests/boots/_stress.ts";
import { openWorkbench, type Workbench } from "../tests/boots/_workbench.ts";
import type { KernelFlavour } from "./debian.ts";

/** Stressors that verify what they do, or that a processor or a kernel with a fault in it does not survive. */
const STRESSORS = [
  ...["atomic", "bsearch", "crypt", "fp", "funccall", "hash", "heapsort", "hsearch", "list", "longjmp", "lsearch"],
  ...["matrix", "matrix-3d", "memcpy", "mergesort", "nop", "prefetch", "qsort", "radixsort", "randlist", "shellsort"],
  ...["skiplist", "sparsematrix", "str", "stream", "tree", "tsearch", "vecfp", "vecmath", "vecshuf", "vecwide", "wcs"],
  ...["zlib", "branch", "jpeg", "judy", "malloc", "memthrash", "misaligned", "opcode", "regs", "rotate"],
  ...["brk", "clone", "exec", "fault", "fork", "futex", "get", "kill", "mmap", "mremap", "mprotect", "pipe", "poll"],
  ...["pthread", "sem", "sigabrt", "sigfpe", "sigio", "signal", "sigrt", "sigsegv", "sigtrap", "stack", "switch"],
  ...["timer", "tlb-shootdown", "userfaultfd", "vfork", "vm", "vm-splice", "yield"],
];

const turns = Number(Deno.args[0] ?? 20);
const failures: string[] = [];
for (const flavour of ["686", "686-pae"] as const) await runFlavour(flavour);
console.log(failures.length ? `Failed: ${failures.join(", ")}` : "All passed");
Deno.exit(failures.length ? 1 : 0);

async function runFlavour(flavour: KernelFlavour): Promise<void> {
  const names = [...COMPRESSORS, ...CALCULATORS, ...COMPILER, ...STRESS];
  const open = () => openWorkbench(flavour, names, PROGRAM);
  let bench = await open();
  const attempt = async (name: string, check: (bench: Workbench) => Promise<void>) => {
    try {
      await check(bench);
      console.log(`${flavour}: ${name}: passed`);
    } catch (error) {
      failures.push(`${flavour}: ${name}`);
      console.log(`${flavour}: ${name}: FAILED: ${error instanceof Error ? error.message : error}`);
      // What it left behind, and whether it still runs, is not known.
      await bench[Symbol.asyncDispose]();
      bench = await open();
    }
  };
  await attempt("compression", checkCompression);
  await attempt("OpenSSL", checkOpenssl);
  await attempt("floating point", checkFloatingPoint);
  await attempt("compiler", checkCompiler);
  for (const method of await stressMethods(bench)) {
    await attempt(method, () => runStress(bench, `--cpu 1 --cpu-method ${method} --cpu-ops ${turns}`));
  }
  for (const stressor of STRESSORS) {
    await attempt(stressor, () => runStress(bench, `--${stressor} 1 --${stressor}-ops ${turns}`));
  }
  await bench[Symbol.asyncDispose]();
}
