import fc from "fast-check";
import { assert, assertEquals } from "@std/assert";
import { REGISTER } from "../../lib/pci/function.ts";
import type { Width } from "../../lib/platform/bus.ts";
import { RngDevice } from "../../lib/virtio/rng.ts";
import { effort } from "./_effort.ts";
import { GuardedMemory } from "./_memory.ts";
import { BAR, FakeDevice, PciDriver, VERSION_1 } from "./_pci.ts";

const STEPS = 100;
const CONFIG = 1, MMIO = 2, LEGAL = 3, LIFE = 4;

const width = fc.constantFrom<Width>(1, 2, 4);
const number = fc.oneof(
  fc.integer({ min: 0, max: 16 }),
  fc.integer({ min: 0, max: 0xffff_ffff }),
  fc.constantFrom(0xffff, 0x8000, 0x1_0000, 0xf_fff0, 0x10_0000, 0xffff_fff0, 0xe000_0000, 256, 512),
);
const offset = fc.oneof(
  fc.integer({ min: 0, max: 0x3f }),
  fc.constantFrom(0x100, 0x101, 0x200, 0x204, 0x206, 0x208, 0x20a, 0x7fc, 0x800, 0x802, 0x804, 0x806, 0x808, 0xffc),
  fc.integer({ min: -4, max: 0x1003 }),
);

/** Anything at all: a register, a capability, a step that a driver would do, or what happens to a machine. */
const step = fc.record({
  kind: fc.constantFrom(CONFIG, MMIO, MMIO, MMIO, LEGAL, LEGAL, LEGAL, LIFE),
  offset,
  width,
  value: number,
  write: fc.boolean(),
});
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** Common fields in their own width: the part of the space where the rules are. */
const FIELDS = [20, 20, 20, 8, 12, 12, 22, 24, 28, 28, 32, 36, 40, 48, 0, 4] as const;
const STATUSES = [0, 1, 3, 3, 11, 11, 15, 15, 0x8b, 64] as const;

function act(driver: PciDriver, { kind, offset, width, value, write }: Step): number | undefined {
  const narrow = width === 4 ? value : value % 2 ** (8 * width);
  if (kind === CONFIG) {
    // The BAR must stay where the test looks for it; property_test.ts of PCI moves it.
    const at = (offset & 0xff) % (257 - width) & ~(width - 1);
    if (at >= REGISTER.BAR0 && at < REGISTER.BAR0 + 4) return undefined;
    if (write) driver.bus.write(1, at, width, narrow);
    return driver.bus.read(1, at, width);
  }
  if (kind === MMIO) {
    if (write) driver.mmio.write(BAR + offset, width, narrow);
    return driver.mmio.read(BAR + offset, width);
  }
  if (kind === LEGAL) {
    const field = FIELDS[offset & 15]!;
    if (field === 20) driver.set(20, STATUSES[value % STATUSES.length]!);
    else if (field === 28) driver.set(28, 1);
    else if (field === 12) driver.accept(write ? VERSION_1 | 1n << 28n : VERSION_1);
    else driver.set(field, field === 24 ? 1 << value % 9 : field >= 32 ? value & 0xf_fff0 : value & 1);
    driver.get(20);
    return undefined;
  }
  if (value % 7 === 0) driver.start(VERSION_1, [0]);
  else if (value % 5 === 0) driver.kick(value & 1);
  else driver.transport.attend();
  return undefined;
}

for (
  const [name, make] of [
    ["a device that notes everything", () => new FakeDevice()],
    ["a device that fills buffers", (memory: GuardedMemory) => new RngDevice({ memory })],
  ] as const
) {
  Deno.test(`virtio PCI: no access of any kind throws or leaves memory, and one mistake is one stop: ${name}`, () => {
    let runs = 0, starts = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: STEPS, maxLength: STEPS }), (steps) => {
        const memory = new GuardedMemory(1 << 20);
        const driver = new PciDriver(make(memory), memory);
        let deaths = 0;
        for (const one of steps) {
          const got = act(driver, one);
          if (got !== undefined) assert(Number.isInteger(got) && got >= 0 && got < 2 ** (8 * one.width), `read ${got}`);
          assert(driver.deaths.length <= deaths + 1, "a device died twice");
          if (driver.deaths.length > deaths) {
            deaths++;
            assert(/^Virtio [a-z0-9 ]+: the driver .+ \(virtio 1\.2 §[\d.]+\)$/.test(driver.deaths.at(-1)!));
            assertEquals(driver.mmio.read(BAR, 4), 0xffff_ffff);
            driver.switchOn();
          }
          if ((driver.get(20) & 4) !== 0) starts++;
        }
        memory.assertGuards();
        runs++;
      }),
      effort(20_000, STEPS),
    );
    assert(starts > runs, `only ${starts} of ${runs * STEPS} steps found the device running`);
  });
}
