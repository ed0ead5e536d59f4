import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import type { KernelFacts } from "../lib/boot/inspect.ts";
import type { EngineName, PlatformName } from "../lib/guest_options.ts";
import { GuestError } from "../lib/guest_error.ts";
import { checkCombination, choosePlatform } from "../lib/platform_choice.ts";

for (
  const [engine, platform] of [
    ["auto", "auto"],
    ["auto", "pc"],
    ["auto", "lguest"],
    ["soft", "auto"],
    ["soft", "pc"],
    ["soft", "lguest"],
    ["lguest", "auto"],
    ["lguest", "lguest"],
    [undefined, undefined],
  ] as [EngineName | undefined, PlatformName | undefined][]
) {
  Deno.test(`checkCombination() takes engine ${engine} and platform ${platform}`, () => {
    checkCombination({ ...(engine && { engine }), ...(platform && { platform }) });
  });
}

for (
  const [engine, platform, ...words] of [
    ["kvm", "auto", "no KVM engine", "--engine=soft,"],
    ["kvm", "pc", "no KVM engine", "--engine=soft --platform=pc"],
    ["kvm", "lguest", "no KVM engine", "--engine=soft --platform=lguest"],
    ["lguest", "pc", '"lguest" does not run platform "pc"', "--platform=lguest", "--engine=soft --platform=pc"],
  ] as [EngineName, PlatformName, ...string[]][]
) {
  Deno.test(`checkCombination() refuses engine ${engine} with platform ${platform} and says what could be`, () => {
    const { message } = assertThrows(() => checkCombination({ engine, platform }), GuestError);
    for (const word of words) assertStringIncludes(message, word);
  });
}

const ENTRY = { entry: 0x1234, vmcall: false, hostMakesPageTables: false };
const GUEST: KernelFacts = { version: "4.13.9", lguest: ENTRY, pae: false };
const STOCK: KernelFacts = { version: "6.1.0", lguest: undefined, pae: false };
const PAE: KernelFacts = { ...GUEST, pae: true };
const TOO_OLD: KernelFacts = { ...GUEST, version: "2.6.24" };
const CONTRARY: KernelFacts = { ...GUEST, version: "2.6.37" };
/** A character device that is everywhere, and a file that is none. */
const DEVICE = "/dev/null", NO_DEVICE = "/";
const ignore = (await Deno.permissions.query({ name: "read", path: DEVICE })).state !== "granted";

function choose(facts: KernelFacts, wish: Partial<Parameters<typeof choosePlatform>[0]>) {
  const { platform, engine, generation, reason } = choosePlatform({ kernel: "k", inspect: () => facts, ...wish });
  return { choice: [platform, engine, generation].filter(Boolean).join(" "), reason };
}

Deno.test({
  name: "choosePlatform() takes lguest for a Guest where the device is, and a PC for everything else",
  ignore,
  fn() {
    assertEquals(choose(GUEST, { device: DEVICE }).choice, "lguest lguest 4.10");
    assertEquals(choose(GUEST, { device: DEVICE, engine: "soft" }).choice, "pc soft");
    assertEquals(choose(GUEST, { device: NO_DEVICE }).choice, "pc soft");
    for (const facts of [STOCK, PAE, TOO_OLD, CONTRARY]) {
      const { choice, reason } = choose(facts, { device: DEVICE });
      assertEquals(choice, "pc soft");
      assertStringIncludes(reason, 'Kernel "k"');
    }
  },
});

Deno.test("choosePlatform() takes what was asked for", () => {
  const inspect = () => {
    throw new Error("A PC runs every kernel");
  };
  assertEquals(choosePlatform({ kernel: "k", platform: "pc", inspect }).platform, "pc");
  assertEquals(choose(GUEST, { platform: "lguest", engine: "soft" }).choice, "lguest soft 4.10");
  assertEquals(choose(GUEST, { engine: "lguest" }).choice, "lguest lguest 4.10");
  assertEquals(choose(CONTRARY, { platform: "lguest", engine: "soft", abi: "4.13" }).choice, "lguest soft 4.10");
});

Deno.test("choosePlatform() refuses lguest for a kernel that cannot be a Guest, and says what could be", () => {
  const refusal = (facts: KernelFacts, wish: Parameters<typeof choose>[1]) =>
    assertThrows(() => choose(facts, wish), GuestError).message;
  for (const facts of [STOCK, PAE]) {
    assertStringIncludes(refusal(facts, { platform: "lguest", engine: "soft" }), "; use --platform=pc");
    assertStringIncludes(refusal(facts, { engine: "lguest" }), "; use --platform=pc");
  }
  assertStringIncludes(refusal(TOO_OLD, { platform: "lguest", engine: "soft" }), "older lguest");
  assertStringIncludes(refusal(CONTRARY, { engine: "lguest" }), "--abi=VERSION");
});

Deno.test({
  name: "choosePlatform() refuses a protocol that was named and does not exist",
  ignore,
  fn() {
    assertThrows(() => choose(GUEST, { device: DEVICE, abi: "5.4" }), GuestError, "--abi=5.4");
  },
});
