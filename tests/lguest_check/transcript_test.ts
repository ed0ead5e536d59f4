/**
 * Two boots, line by line.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { bootLines, compareBoots, type ExpectedDifference } from "../../scripts/lguest_check/transcript.ts";

const RECORDED = `[    1.424826] clocksource: tsc: of the machine around it\r
[    0.000000] Linux version 4.13.9\r
[    0.000000] Memory: 59440K/65148K available\r
[    0.004000] clocksource: jiffies: mask: 0xffffffff max_id[    6.332379] random: crng init done\r
le_ns: 7645041785100000 ns\r
[    0.100000] lguest: Console\r
[    6.500000] of the machine around it\r
[    0.200000] Calibrating delay loop... 1007.61 BogoMIPS\r
[    0.300000]   indented\r
GUEST: Linux lguest 4.13.9\r
[    9.556577] reboot: Power down\r
`;

Deno.test("bootLines() takes the Guest's own lines up to init, puts torn ones together and drops others' lines", () => {
  assertEquals(bootLines(RECORDED), [
    "Linux version 4.13.9",
    "Memory: 59440K/65148K available",
    "clocksource: jiffies: mask: 0xffffffff max_idle_ns: 7645041785100000 ns",
    "lguest: Console",
    "Calibrating delay loop... 1007.61 BogoMIPS",
    "  indented",
  ]);
});

Deno.test("bootLines() ends with the kernel's last line where a shell follows", () => {
  assertEquals(bootLines("[    0.000000] first\n\nsecond\n[    1.000000] third\n\nBusyBox\n"), [
    "first",
    "second",
    "third",
  ]);
});

const HEARD = `[    0.000000] Linux version 4.13.9
[    0.000000] Memory: 57736K/65148K available
[    0.000000] clocksource: jiffies: mask: 0xffffffff max_idle_ns: 7645041785100000 ns
[    0.004000] tsc: Detected 1000.000 MHz processor
[    0.200000]   indented
[    0.300000] lguest: Console

BusyBox v1.35.0
`;

Deno.test("compareBoots() tells same, missing, more, moved and otherwise numbered lines apart", () => {
  assertEquals(compareBoots(RECORDED, HEARD, []), {
    total: 6,
    same: 3,
    differences: [
      {
        kind: "numbers",
        line: "Memory: 57736K/65148K available",
        was: "Memory: 59440K/65148K available",
        reason: undefined,
      },
      { kind: "more", line: "tsc: Detected 1000.000 MHz processor", reason: undefined },
      { kind: "moved", line: "lguest: Console", reason: undefined },
      { kind: "missing", line: "Calibrating delay loop... 1007.61 BogoMIPS", reason: undefined },
    ],
  });
});

Deno.test("compareBoots() gives the reason of an expected difference of the right kind only", () => {
  const expected: ExpectedDifference[] = [
    { pattern: /^Memory/, kinds: ["numbers"], reason: "kernel" },
    { pattern: /^tsc/, kinds: ["missing", "moved", "numbers"], reason: "wrong" },
    { pattern: /^lguest/, kinds: ["moved"], reason: "tick" },
    { pattern: /^Calibrating/, kinds: ["missing"], reason: "tsc" },
  ];
  const { differences } = compareBoots(RECORDED, HEARD, expected);
  assertEquals(differences.map(({ kind, reason }) => [kind, reason]), [
    ["numbers", "kernel"],
    ["more", undefined],
    ["moved", "tick"],
    ["missing", "tsc"],
  ]);
});

Deno.test("compareBoots() finds nothing in two boots that are the same", () => {
  const { total, same, differences } = compareBoots(RECORDED, RECORDED, []);
  assertEquals([total, same, differences], [6, 6, []]);
});

Deno.test("compareBoots() pairs each line with the next one alike, not with one of other words", () => {
  const recorded = "[    0.000000] a 1\n[    0.000000] b 0x10\n[    0.000000] c\n[    0.000000] a 2\n";
  const heard = "[    0.000000] a 1\n[    0.000000] b 0xff\n[    0.000000] d\n[    0.000000] a 3\n";
  assertEquals(compareBoots(recorded, heard, []).differences.map(({ kind, line }) => `${kind} ${line}`), [
    "numbers b 0xff",
    "more d",
    "numbers a 3",
    "missing c",
  ]);
});
