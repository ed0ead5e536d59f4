/**
 * What the DSDT says about PCI: that there is a root bridge, what it hands on, and where each device's interrupt pin
 * ends. A kernel that has ACPI looks for PCI nowhere else. Read next: `../../pci/bus.ts`, `layout.ts`.
 *
 * @module
 */
import { DEVICE_NUMBERS } from "../../pci/bus.ts";
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
  ioPorts,
  wordBusNumbers,
} from "./aml.ts";
import { PCI_HOLE, pciIrq } from "./layout.ts";

/** Interrupt pin A as _PRT counts (ACPI 6.5 §6.2.13). */
const PIN_A = 0;
/** In an address of _PRT: every function of the device. */
const ALL_FUNCTIONS = 0xffff;

/** `\\_SB.PCI0`: the root bridge of bus 0. There is one bus, and no window for ports, since no device has any. */
export function pciRootTerm(): Aml {
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
  );
}

/** One device's pin A is hardwired (source 0) to a global interrupt: the number of an 8259 input (§6.2.13). */
function route(device: number): Aml {
  const address = device * 0x1_0000 + ALL_FUNCTIONS;
  return amlPackage([address, PIN_A, 0, pciIrq(device)].map(amlInteger));
}
