/**
 * What ACPI says about PCI: that there is a root bridge, what it hands on, where each device's interrupt pin ends, and
 * where configuration space is in memory. A kernel that has ACPI looks for PCI nowhere else. Read next:
 * `../../pci/bus.ts`, `layout.ts`.
 *
 * @module
 */
import { DEVICE_NUMBERS } from "../../pci/bus.ts";
import { ECAM_BUS_SIZE } from "../../pci/ecam.ts";
import { CONFIG_PORT_COUNT, CONFIG_PORTS } from "../../pci/host_bridge.ts";
import {
  type Aml,
  amlDevice,
  amlEisaId,
  amlInteger,
  amlName,
  amlPackage,
  amlResources,
  amlScope,
  dwordMemory,
  fixedMemory,
  ioPorts,
  wordBusNumbers,
} from "./aml.ts";
import { ECAM_BASE, PCI_HOLE, pciIrq } from "./layout.ts";

/** Interrupt pin A as _PRT counts (ACPI 6.5 §6.2.13). */
const PIN_A = 0;
/** In an address of _PRT: every function of the device. */
const ALL_FUNCTIONS = 0xffff;

/** `\_SB.PCI0`: the root bridge of bus 0. There is one bus, and no window for ports, since no device has any. */
export function pciTerms(): Aml {
  const resources = amlResources(
    wordBusNumbers(0, 0),
    ioPorts(CONFIG_PORTS, CONFIG_PORT_COUNT),
    dwordMemory(PCI_HOLE.start, PCI_HOLE.end),
  );
  return amlScope(
    "\\_SB",
    amlDevice(
      "PCI0",
      amlName("_HID", amlEisaId("PNP0A03")),
      amlName("_UID", amlInteger(0)),
      amlName("_BBN", amlInteger(0)),
      amlName("_CRS", resources),
      amlName("_PRT", amlPackage(Array.from({ length: DEVICE_NUMBERS - 1 }, (_, index) => route(index + 1)))),
    ),
    // The board's own addresses: what MCFG names counts only if it is reserved so (PCI Firmware 3.0 §4.1.2).
    amlDevice(
      "MBRD",
      amlName("_HID", amlEisaId("PNP0C02")),
      amlName("_UID", amlInteger(0)),
      amlName("_CRS", amlResources(fixedMemory(ECAM_BASE, ECAM_BUS_SIZE))),
    ),
  );
}

/** One device's pin A is hardwired (source 0) to a global interrupt: the number of an 8259 input (§6.2.13). */
function route(device: number): Aml {
  const address = device * 0x1_0000 + ALL_FUNCTIONS;
  return amlPackage([address, PIN_A, 0, pciIrq(device)].map(amlInteger));
}

/** The contents of MCFG, after the header: where configuration space is in memory (PCI Firmware 3.0 §4.1.2). */
export function mcfgContents(): Uint8Array {
  const bytes = new Uint8Array(8 + 16);
  const view = new DataView(bytes.buffer);
  view.setUint32(8, ECAM_BASE, true);
  // Segment group 0, from bus 0 to bus 0: the rest is 0.
  return bytes;
}
