/**
 * A function with registers that are plain memory, a bus around it, and a driver's way to configuration space.
 *
 * @module
 */
import { PciBus } from "../../lib/pci/bus.ts";
import { type MemoryBar, PciFunction, type PciIdentity } from "../../lib/pci/function.ts";
import { ConfigPorts, createHostBridge, type Log } from "../../lib/pci/host_bridge.ts";
import { AddressSpace, type BusDevice, ByteDevice, type Width } from "../../lib/platform/bus.ts";

/** An identity without meaning. */
export const IDENTITY: PciIdentity = {
  vendor: 0x1234,
  device: 0x5678,
  revision: 0x9a,
  classCode: 0x01_80_02,
  subsystemVendor: 0xabcd,
  subsystem: 0xef01,
};

/** Registers that remember accesses, and answer with the offset. */
export class FakeRegisters implements BusDevice {
  /** What was asked: "r4@10", "w1@0=ff". */
  readonly accesses: string[] = [];

  read(offset: number, width: Width): number {
    this.accesses.push(`r${width}@${offset.toString(16)}`);
    return offset & 0xff;
  }

  write(offset: number, width: Width, value: number): void {
    this.accesses.push(`w${width}@${offset.toString(16)}=${value.toString(16)}`);
  }
}

/** The byte register behind CF9h. */
export class FakeReset extends ByteDevice {
  /** What was written. */
  readonly written: number[] = [];

  readByte(): number {
    return 0x5a;
  }

  writeByte(_offset: number, value: number): void {
    this.written.push(value);
  }
}

/** A function with one memory BAR. */
export function fakeFunction(name: string, size = 0x1000, index = 0): { fn: PciFunction; registers: FakeRegisters } {
  const registers = new FakeRegisters();
  const bars: MemoryBar[] = [{ index, size, registers }];
  return { fn: new PciFunction(name, IDENTITY, bars), registers };
}

/** RAM of the Guests in these tests. */
export const RAM_END = 0x800_0000;

/** A bus with a host bridge and as many functions as sizes are given, and ports to reach them by. */
export function fakeBus(sizes: readonly number[], log?: Log) {
  const memory = new AddressSpace(), ports = new AddressSpace(0x1_0000);
  const bus = new PciBus(memory, RAM_END);
  bus.add(createHostBridge());
  const functions = sizes.map((size, index) => {
    const made = fakeFunction(`device ${index + 1}`, size);
    bus.add(made.fn);
    return made;
  });
  const reset = new FakeReset();
  const config = new ConfigPorts(bus, reset, log);
  ports.register(0xcf8, 8, config, "configuration");
  return { memory, ports, bus, functions, reset, config };
}

/** Latch an address, as a driver does: register offset `at` of function 0 of a device on bus 0. */
export function select(ports: AddressSpace, device: number, at: number): void {
  ports.write(0xcf8, 4, (0x8000_0000 | device << 11 | (at & 0xfc)) >>> 0);
}

/** Read configuration space through the ports. */
export function readConfig(ports: AddressSpace, device: number, at: number, width: Width): number {
  select(ports, device, at);
  return ports.read(0xcfc + (at & 3), width);
}

/** Write configuration space through the ports. */
export function writeConfig(ports: AddressSpace, device: number, at: number, width: Width, value: number): void {
  select(ports, device, at);
  ports.write(0xcfc + (at & 3), width, value);
}
