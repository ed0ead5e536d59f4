import fc from "fast-check";
import { assert, assertEquals } from "@std/assert";
import { COMMAND, REGISTER } from "../../lib/pci/function.ts";
import type { Width } from "../../lib/platform/bus.ts";
import { effort } from "../virtio/_effort.ts";
import { fakeBus, RAM_END, readConfig } from "./_fakes.ts";

const SIZES = [0x10, 0x1000, 0x1_0000, 0x1000_0000, 0x8000_0000];
const STEPS = 100;

const width = fc.constantFrom<Width>(1, 2, 4);
const value = fc.oneof(
  fc.integer({ min: 0, max: 0xffff_ffff }),
  fc.constantFrom(0, 0xffff_ffff, 0xe000_0000, 0xe000_1000, RAM_END, RAM_END - 0x1000, 0xffff_f000, 2, 6, 0x402),
);
/** Mostly the address port and then the registers that decide who answers. */
const step = fc.oneof(
  fc.record({ port: fc.integer({ min: 0xcf4, max: 0xd02 }), width, value, write: fc.boolean() }),
  fc.record({
    port: fc.constant(0xcf8),
    width: fc.constant<Width>(4),
    value: fc.tuple(fc.integer({ min: 0, max: 7 }), fc.constantFrom(0x04, 0x10, 0x3c, 0x40, 0xfc))
      .map(([device, at]) => (0x8000_0000 | device << 11 | at) >>> 0),
    write: fc.constant(true),
  }),
  fc.record({ port: fc.integer({ min: 0xcfc, max: 0xcff }), width, value, write: fc.constant(true) }),
);

Deno.test("PCI: whatever is read and written at the ports, values fit their width and only BARs decode", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: STEPS, maxLength: STEPS }), (steps) => {
      const { ports, memory, bus, functions } = fakeBus(SIZES);
      const probe = (address: number) => {
        for (const { registers } of functions) registers.accesses.length = 0;
        const got = memory.read(address, 1);
        const answered = functions.filter(({ registers }) => registers.accesses.length > 0);
        assert(answered.length <= 1, "two answer one address");
        return { got, fn: answered[0]?.fn };
      };
      for (const { port, width, value, write } of steps) {
        if (write) ports.write(port, width, width === 4 ? value : value % 2 ** (8 * width));
        const got = ports.read(port, width);
        assert(Number.isInteger(got) && got >= 0 && got < 2 ** (8 * width), `${got} of ${width} bytes at ${port}`);
      }
      // Whoever answers has a BAR there; whoever has one and is alone, answers.
      const wanted = functions.map(({ fn }, index) => {
        const start = bus.read(index + 1, REGISTER.BAR0, 4), size = SIZES[index]!;
        assertEquals(start % size, 0);
        assertEquals(readConfig(ports, index + 1, 0, 4), 0x5678_1234);
        const isEnabled = (fn.read(REGISTER.COMMAND, 2) & COMMAND.MEMORY) !== 0;
        return { fn, start, end: start + size, decodes: isEnabled && start >= RAM_END };
      });
      for (const { fn, start, end } of wanted) {
        for (const address of [start - 1, start, end - 1, end].filter((at) => at >= 0 && at < 2 ** 32)) {
          const claims = wanted.filter((range) => range.decodes && address >= range.start && address < range.end);
          const answer = probe(address);
          assert(claims.length > 0 || (answer.fn === undefined && answer.got === 0xff), "something decodes outside");
          const lowest = wanted.find((range) => range.decodes);
          if (lowest && address >= lowest.start && address < lowest.end) assert(answer.fn === lowest.fn, `${fn.name}`);
          if (answer.fn) assert(claims.some((claim) => claim.fn === answer.fn), "the wrong one decodes");
        }
      }
    }),
    effort(20_000, STEPS),
  );
});
