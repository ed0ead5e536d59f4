// In Node: the loader, the decoder, virtio and PCI models, and the CPU, all in this thread. Prints one object.
import { readFileSync } from "node:fs";
import {
  BootError,
  Decoder,
  GuestMemory,
  HANDLERS,
  loadKernel,
  MemoryConsole,
  PcMachine,
  RngDevice,
  SoftEngine,
} from "@lguest/lguest/parts";

const memory = GuestMemory.allocate(8 << 20);
const console_ = new MemoryConsole();
const machine = new PcMachine({ memory, console: console_ });
const slot = machine.attachVirtio(new RngDevice({ memory }));
const engine = new SoftEngine(memory, machine);

let refused = "";
try {
  loadKernel(memory, { kernel: { name: "text", bytes: new TextEncoder().encode("#!/bin/sh\n") }, commandLine: "" });
} catch (error) {
  if (error instanceof BootError) refused = error.message;
}
const entry = loadKernel(memory, { kernel: { name: "echo", bytes: readFileSync(process.argv[2]) }, commandLine: "" });
machine.reset();
engine.reset(entry);
// Type 0 configuration cycles (PCI 2.2 §3.7.4.1): the random number generator's identity.
machine.ports.write(0xcf8, 4, 0x80000000 | slot << 11);
const identity = machine.ports.read(0xcfc, 4);
console_.type("hello q");
const reason = engine.run();
// add eax, 0x12345678
const insn = new Decoder(HANDLERS).decode(Uint8Array.of(0x05, 0x78, 0x56, 0x34, 0x12), 0, 5, 4);
console.log(JSON.stringify({ refused, identity, reason, text: console_.text, length: insn.length }));
