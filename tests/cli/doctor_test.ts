import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { canWork, formatChecks } from "../../lib/cli/doctor.ts";
import { type Check, runChecks } from "../../lib/cli/doctor_checks.ts";
import type { OpenResult, Surroundings } from "../../lib/cli/doctor_host.ts";
import { LAUNCHER, MAY_RUN, runLauncher } from "./_run.ts";

const GIB = 2 ** 30;
const ROOT_STATUS = "Name:\tdeno\nCapEff:\t000001ffffffffff\nSeccomp:\t0\n";
const INTEL = "processor\t: 0\nflags\t\t: fpu vme vmx ssse3\n";

/** A machine that has everything, but for what is said. */
function machine(changes: Partial<Surroundings> & { files?: Record<string, OpenResult>; status?: string } = {}) {
  const { files = {}, status = ROOT_STATUS, ...rest } = changes;
  const host: Surroundings = {
    os: "linux",
    arch: "x86_64",
    deno: "2.9.6",
    sharedMemory: true,
    memory: { total: 8 * GIB, available: 4 * GIB },
    validates: (module) => WebAssembly.validate(module),
    tryOpen: (path) => files[path] ?? "ok",
    readText: (path) => ({ "/proc/cpuinfo": INTEL, "/proc/self/status": status })[path],
    hasProgram: () => true,
    libraryProblem: () => undefined,
    ...rest,
  };
  return host;
}

function check(host: Surroundings, name: string, options = {}): Check {
  return runChecks(host, options).find((one) => one.name === name)!;
}

Deno.test("runChecks() finds nothing wrong with a machine that has everything", () => {
  assertEquals(runChecks(machine()).filter(({ state }) => state !== "ok"), []);
});

for (
  const [name, changes, state, found, advice] of [
    ["System", { os: "darwin" }, "limited", "only Linux is tested", "use Linux"],
    ["Deno", { deno: "2.8.1" }, "limited", "2.8.1, older than 2.9", "deno upgrade"],
    ["Deno", { deno: "1.46.3" }, "limited", "older", "deno upgrade"],
    ["Deno", { deno: "3.0.0" }, "limited", "newer", "try Deno 2.9"],
    ["WebAssembly", { sharedMemory: false }, "failed", "lacks shared memory, which", "V8 flags"],
    ["WebAssembly", { validates: () => false }, "failed", "lacks tail calls, SIMD", "V8 flags"],
    ["Memory", { memory: { total: GIB, available: GIB / 4 } }, "limited", "256 of 1024 MiB", "free some"],
    ["Memory", { memory: undefined }, "limited", "does not tell", undefined],
    ["C library", { libraryProblem: () => "No library: deno task build" }, "none", "No library", undefined],
    ["C library", { libraryProblem: () => "It is broken" }, "none", "It is broken", "deno task build"],
    ["C library", { libraryProblem: () => "No", hasProgram: () => false }, "none", "No", "apt install gcc"],
    ["Taps", { files: { "/dev/net/tun": "missing" } }, "none", "no /dev/net/tun", "modprobe tun"],
    ["Taps", { files: { "/dev/net/tun": "denied" } }, "none", "not for this user", "as root"],
    ["Taps", { files: { "/dev/net/tun": { why: "No such device" } } }, "none", "opened: No such device", "as root"],
    ["Taps", { status: "CapEff:\t0000000000000000\n" }, "none", "not CAP_NET_ADMIN", "CAP_NET_ADMIN"],
    ["Privileges", { status: "CapEff:\t0000000000000000\n" }, "none", "--username and --chroot", "as root"],
    ["Privileges", { status: "CapEff:\t00000000000000c0\n" }, "limited", "not enough for --chroot", "as root"],
    ["KVM", { files: { "/dev/kvm": "missing" } }, "none", "no /dev/kvm", "nothing to do"],
    ["KVM", { files: { "/dev/kvm": "denied" } }, "none", "not for this user", "nothing to do"],
    ["KVM", { readText: () => "flags\t: fpu\n" }, "limited", "in software only", "nothing to do"],
    ["KVM", { readText: () => "flags\t: fpu svm\n" }, "ok", "real: the processor has SVM", "nothing to do"],
    ["lguest device", { files: { "/dev/lguest": "missing" } }, "none", "no /dev/lguest", "--platform=lguest"],
    ["lguest device", { files: { "/dev/lguest": "denied" } }, "none", "not for this user", "as root"],
  ] as const
) {
  Deno.test(`runChecks() finds ${name} ${state}: "${found}"`, () => {
    const one = check(machine(changes), name);
    assertEquals(one.state, state);
    assertStringIncludes(one.found, found);
    if (advice === undefined) assertEquals(one.advice, undefined);
    else assertStringIncludes(one.advice ?? "", advice);
  });
}

Deno.test("runChecks() takes the names of device and library that a user gave", () => {
  const host = machine({ libraryProblem: (path) => `looked for ${path}`, files: { "/tmp/lguest": "missing" } });
  const options = { device: "/tmp/lguest", library: "/tmp/lib.so" };
  assertStringIncludes(check(host, "lguest device", options).found, "no /tmp/lguest");
  assertStringIncludes(check(host, "C library", options).found, "looked for /tmp/lib.so");
});

Deno.test("runChecks() tells elsewhere than on Linux what needs it, and that Guests can be run", () => {
  const checks = runChecks(machine({ os: "darwin", readText: () => undefined }));
  for (const name of ["C library", "Taps", "Privileges", "KVM", "lguest device"]) {
    assertEquals(checks.find((one) => one.name === name)!.state, "none");
  }
  assertEquals(canWork(checks), true);
});

Deno.test("formatChecks() gives each check a line, and colours states if that is wanted", () => {
  const checks = runChecks(machine({ sharedMemory: false, files: { "/dev/kvm": "missing" } }));
  const plain = formatChecks(checks, false).split("\n");
  assertEquals(plain.length, checks.length + 3);
  assertMatch(plain[2]!, /^WebAssembly +failed +lacks shared memory, .*; use Deno/);
  assertEquals(plain.at(-2), "No Guest can be run on this machine.");
  const colored = formatChecks(checks, true);
  assertStringIncludes(colored, "\x1b[1;31mfailed\x1b[0m");
  assertStringIncludes(colored, "\x1b[32mok\x1b[0m");
  // deno-lint-ignore no-control-regex
  assertEquals(colored.replaceAll(/\x1b\[[\d;]*m/g, "").split("\n"), plain);
});

Deno.test({
  name: "launch() prints what doctor finds on this machine, as lines and as JSON, with status 0",
  ignore: !MAY_RUN,
  fn: async () => {
    const text = await runLauncher(LAUNCHER, ["doctor"]);
    assertEquals([text.code, text.stderr], [0, ""]);
    assertStringIncludes(text.stdout, "Guests can be run on this machine.\n");
    const json = await runLauncher(LAUNCHER, ["doctor", "--json"]);
    assertEquals([json.code, json.stderr], [0, ""]);
    const { works, checks } = JSON.parse(json.stdout);
    assertEquals(works, true);
    const deno = checks.find(({ name }: Check) => name === "Deno");
    assert(deno.found.startsWith(Deno.version.deno));
  },
});
