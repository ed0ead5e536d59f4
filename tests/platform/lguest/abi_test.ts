/**
 * Which protocol for which kernel.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import type { LguestEntry } from "../../../lib/boot/inspect.ts";
import { GuestError } from "../../../lib/guest_error.ts";
import { chooseAbi, requireLguest } from "../../../lib/platform/lguest/abi.ts";

const OWN_TABLES: LguestEntry = { entry: 0x1234, vmcall: false, hostMakesPageTables: false };
const HOST_TABLES: LguestEntry = { entry: 0x1234, vmcall: false, hostMakesPageTables: true };
const VMCALL: LguestEntry = { entry: 0x1234, vmcall: true, hostMakesPageTables: true };

function refusal(act: () => unknown): string {
  return assertThrows(act, GuestError).message;
}

Deno.test("chooseAbi() chooses by the kernel's version", () => {
  const cases: [string, LguestEntry, string][] = [
    ["2.6.30", VMCALL, "2.6.30"],
    ["2.6.30.10", VMCALL, "2.6.30"],
    ["2.6.31", VMCALL, "2.6.31"],
    ["2.6.32.69-rt", VMCALL, "2.6.31"],
    ["2.6.36.4", HOST_TABLES, "2.6.31"],
    ["2.6.39.1", HOST_TABLES, "2.6.37"],
    ["3.0.101", HOST_TABLES, "2.6.37"],
    ["3.1.0-rc3", OWN_TABLES, "3.1"],
    ["3.9.11", OWN_TABLES, "3.1"],
    ["3.10.0", OWN_TABLES, "3.10"],
    ["3.19.8", OWN_TABLES, "3.10"],
    ["4.0.0", OWN_TABLES, "4.0"],
    ["4.1.52", OWN_TABLES, "4.1"],
    ["4.9.337+", OWN_TABLES, "4.1"],
    ["4.13.9", OWN_TABLES, "4.10"],
  ];
  for (const [version, lguest, expected] of cases) {
    assertEquals(chooseAbi("k", { version, lguest }).name, expected, version);
  }
});

Deno.test("chooseAbi() believes --abi, whatever the kernel says", () => {
  assertEquals(chooseAbi("k", { version: "4.13.9", lguest: VMCALL }, "2.6.32").name, "2.6.31");
  assertEquals(chooseAbi("k", { version: "4.19.1", lguest: OWN_TABLES }, "4.13").name, "4.10");
  assertEquals(chooseAbi("k", { version: undefined, lguest: OWN_TABLES }, "3.11").name, "3.10");
});

Deno.test("chooseAbi() refuses versions whose protocol it does not know", () => {
  const refuse = (version: string | undefined, abi?: string) =>
    refusal(() => chooseAbi("k", { version, lguest: OWN_TABLES }, abi));
  assertEquals(
    refuse(undefined),
    'Kernel "k" does not say which version of Linux it is: say it with --abi=VERSION',
  );
  assertEquals(refuse("2.6.22.1"), 'Kernel "k" is Linux 2.6.22.1, which has no lguest: it came with 2.6.23');
  assertEquals(
    refuse("2.6.23"),
    'Kernel "k" is Linux 2.6.23, which has an older lguest than is supported yet: use a kernel from 2.6.30 on',
  );
  assertEquals(refuse("2.6.29.6").includes("older lguest"), true);
  assertEquals(
    refuse("4.14"),
    'Kernel "k" is Linux 4.14, which has no lguest: it was removed after 4.13; if this one has it again, try --abi=4.13',
  );
  assertEquals(refuse("4.13", "2.4"), "--abi=2.4: Linux 2.4 has no lguest: it came with 2.6.23");
  assertEquals(refuse("4.13", "6.1").startsWith("--abi=6.1: Linux 6.1 has no lguest"), true);
  assertEquals(refuse("4.13", "2.6.27").startsWith("--abi=2.6.27: Linux 2.6.27 has an older lguest"), true);
});

Deno.test("chooseAbi() refuses a kernel whose entry is not its version's", () => {
  const refuse = (version: string, lguest: LguestEntry) => refusal(() => chooseAbi("k", { version, lguest }));
  assertEquals(
    refuse("3.11.1", VMCALL),
    'Kernel "k" is Linux 3.11.1, but its hypercalls are VMCALL, unlike lguest in 3.10 to 3.19: say with --abi=VERSION ' +
      "which version its lguest is from",
  );
  assertEquals(refuse("4.4", HOST_TABLES).includes("it expects page tables of the Host"), true);
  assertEquals(refuse("2.6.39", OWN_TABLES).includes("it brings its own page tables"), true);
});

Deno.test("requireLguest() refuses a kernel without the entry, and one with PAE", () => {
  assertEquals(requireLguest("k", { version: "4.13.9", lguest: VMCALL, pae: false }), VMCALL);
  assertEquals(
    refusal(() => requireLguest("k", { version: "6.1.0-50-686-pae", lguest: undefined, pae: true })),
    'Kernel "k" (Linux 6.1.0-50-686-pae) is no lguest Guest: it was built without CONFIG_LGUEST_GUEST',
  );
  assertEquals(
    refusal(() => requireLguest("k", { version: undefined, lguest: undefined, pae: false })).startsWith(
      'Kernel "k" is no lguest Guest',
    ),
    true,
  );
  assertEquals(
    refusal(() => requireLguest("k", { version: "4.13.9", lguest: OWN_TABLES, pae: true })),
    'Kernel "k" was built with CONFIG_X86_PAE, which the Host does not support: build it without (CONFIG_HIGHMEM64G ' +
      "off)",
  );
});
