/**
 * The parts that a Guest is made of, for programs that put them together themselves: the loader, memory, the PC, its
 * CPU, virtio and PCI. Nothing here starts a Worker or opens a file, so all of it works wherever WebAssembly does.
 *
 * @example A machine in this thread, which a kernel of four instructions turns off
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { GuestMemory, MemoryConsole, PcMachine, SoftEngine } from "@lguest/lguest/parts";
 *
 * const memory = GuestMemory.allocate(1 << 20);
 * const console = new MemoryConsole();
 * const machine = new PcMachine({ memory, console });
 * const engine = new SoftEngine(memory, machine);
 * // mov dx, 0x604; mov ax, 0x3400; out dx, ax; hlt: ACPI's soft off
 * memory.write(0x1000, Uint8Array.of(0x66, 0xba, 4, 6, 0x66, 0xb8, 0, 0x34, 0x66, 0xef, 0xf4));
 * machine.reset();
 * engine.reset({ eip: 0x1000, esi: 0 });
 * assertEquals(engine.run(), { kind: "poweroff" });
 * ```
 *
 * @module
 */
export { loadKernel, type LoadOptions, type MemoryRange, type NamedFile } from "./boot/boot.ts";
export { BootError } from "./boot/error.ts";
export {
  type CpioDevice,
  type CpioDirectory,
  type CpioEntry,
  type CpioFile,
  type CpioSymlink,
  writeCpio,
} from "./boot/cpio.ts";
export type { Engine, EntryState, Machine, StopReason } from "./engine/engine.ts";
export { Decoder } from "./engine/soft/decoder.ts";
export type { Cpu } from "./engine/soft/cpu.ts";
export type { Handlers } from "./engine/soft/decoder.ts";
export type { Insn } from "./engine/soft/insn.ts";
export { HANDLERS } from "./engine/soft/interp/mod.ts";
export { SoftEngine, type SoftOptions } from "./engine/soft/engine.ts";
export { GuestMemory, GuestMemoryError } from "./memory.ts";
export { PciBus } from "./pci/bus.ts";
export { type AddressRange, type LiveCapability, type MemoryBar, PciFunction } from "./pci/function.ts";
export { type ConsoleBackend, type ConsolePort, MemoryConsole, type WindowSize } from "./platform/console.ts";
export type { AddressSpace, Bus, BusDevice, Width } from "./platform/bus.ts";
export type { Clock, InterruptLine, InterruptSource } from "./platform/interrupt.ts";
export type { Pic } from "./platform/pc/pic.ts";
export { PcMachine, type PcOptions } from "./platform/pc/pc.ts";
export type { BlockBackend, BlockRequest } from "./storage/backend.ts";
export { BlockDevice } from "./virtio/block.ts";
export { ConsoleDevice } from "./virtio/console.ts";
export type { Activation, VirtioDevice } from "./virtio/device.ts";
export { type NetCounters, NetDevice } from "./virtio/net.ts";
export { VirtioPciTransport } from "./virtio/pci_transport.ts";
export { type Chain, type Done, VirtQueue } from "./virtio/queue.ts";
export { RngDevice } from "./virtio/rng.ts";
