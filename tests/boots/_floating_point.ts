/**
 * Tables of floating-point numbers, computed and printed by perl and awk on the x87, and compared with the same
 * program's on the host. What the manual defines exactly has to be the same; transcendental instructions may differ in
 * the last of their 64 bits (Intel SDM volume 1, §8.3.10), which now and then shows in the last digit of a double.
 */
import { assert, assertEquals } from "@std/assert";
import type { Workbench } from "./_workbench.ts";

/** The packages that {@link checkFloatingPoint} needs. */
export const CALCULATORS = ["mawk", "perl-base"] as const;

/** A table that a program writes. */
interface Table {
  readonly program: string;
  readonly args: readonly string[];
  /** The share of numbers that may differ in the last bit. */
  readonly leeway: number;
}

const TABLES: readonly Table[] = [
  {
    program: "usr/bin/perl",
    args: [
      "-e",
      `for $i (1..700) { $x = $i * 0.37 - 100; printf "%.17g %.17g %.17g %d %s %.3f %e %x\\n", ` +
      `$x / 3, $x * $x + 1e-9, sqrt $i, $x * 1e6, $x * 1e15, $x, $x / 1e300, $i * 12345678 }`,
    ],
    leeway: 0,
  },
  {
    program: "usr/bin/perl",
    args: [
      "-e",
      `for $i (1..700) { $x = $i * 0.37 - 100; printf "%.17g %.17g %.17g %.17g %.17g %.17g\\n", ` +
      `sin $x, cos $x, exp($x / 10), log $i, atan2($x, $i - 300), abs($x) ** 1.7 }`,
    ],
    leeway: 0.01,
  },
  {
    program: "usr/bin/mawk",
    args: [
      `BEGIN { for (i = 1; i < 700; i++) { x = i * 0.731; printf "%.17g %.17g %.17g %.17g %.17g %.17g %d\\n", ` +
      `sin(x), cos(x), exp(x / 50), log(x), sqrt(x), x ^ 1.3, x % 7.5 } }`,
    ],
    leeway: 0.01,
  },
];

/** Compare the tables; without a host that runs the programs there is nothing to compare with. */
export async function checkFloatingPoint({ shell, packages, hasHost }: Workbench): Promise<void> {
  for (const { program, args, leeway } of TABLES) {
    const table = await shell.ask(`/${program} ${args.map((arg) => `'${arg}'`).join(" ")}`);
    if (!hasHost) continue;
    const { stdout } = await packages.runOnHost(program, args);
    compare(table.split(/\s/), new TextDecoder().decode(stdout).trimEnd().split(/\s/), leeway);
  }
}

function compare(here: readonly string[], there: readonly string[], leeway: number): void {
  assertEquals(here.length, there.length);
  let differ = 0;
  for (const [i, text] of here.entries()) {
    const other = there[i]!;
    if (text === other) continue;
    differ++;
    const value = Number(text), bit = Math.abs(value) * 2 ** -52;
    assert(leeway > 0 && Math.abs(value - Number(other)) <= bit, `number ${i} is ${text}, on the host ${other}`);
  }
  assert(differ <= leeway * here.length, `${differ} of ${here.length} numbers differ in their last digit`);
}
