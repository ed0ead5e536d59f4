import { assertEquals, assertMatch } from "@std/assert";
import type { Width } from "../../lib/platform/bus.ts";
import { COMMON } from "../../lib/virtio/pci_transport_common.ts";
import { BAR, FakeDevice, PciDriver, VERSION_1 } from "./_pci.ts";

/** A driver's deed, how far it is by then, and the section that it breaks; without one it is no breach. */
type Deed = readonly [what: string, stage: Stage, deed: (driver: PciDriver) => void, section?: string];
type Stage = "unknown" | "known" | "unread" | "negotiated" | "enabled" | "running";

/** Bring a driver to a stage. */
const STAGES: Readonly<Record<Stage, (driver: PciDriver) => void>> = {
  unknown: (driver) => driver.set(COMMON.DEVICE_STATUS, 1),
  known: (driver) => driver.set(COMMON.DEVICE_STATUS, 3),
  unread: (driver) => {
    driver.set(COMMON.DEVICE_STATUS, 3);
    driver.accept(VERSION_1);
    driver.set(COMMON.DEVICE_STATUS, 11);
  },
  negotiated: (driver) => driver.negotiate(),
  enabled: (driver) => {
    driver.negotiate();
    driver.place(0);
    driver.set(COMMON.QUEUE_ENABLE, 1);
  },
  running: (driver) => driver.start(),
};

const set = (field: number, value: number, width?: Width) => (driver: PciDriver) => driver.set(field, value, width);
const get = (field: number, width?: Width) => (driver: PciDriver) => void driver.get(field, width);
const enable = (place: Parameters<PciDriver["place"]>[1], queue = 0) => (driver: PciDriver) => {
  driver.place(queue, place);
  driver.set(COMMON.QUEUE_ENABLE, 1);
};
const write = (offset: number, width: Width, value: number) => (driver: PciDriver) =>
  driver.mmio.write(BAR + offset, width, value);

/** RAM ends here in these tests. */
const END = 1 << 20;

const DEEDS: readonly Deed[] = [
  // Status (I18, device_status).
  ["clears a status bit", "known", set(COMMON.DEVICE_STATUS, 1), "2.1.1"],
  ["clears DRIVER_OK", "running", set(COMMON.DEVICE_STATUS, 11), "2.1.1"],
  ["sets an unknown status bit", "known", set(COMMON.DEVICE_STATUS, 3 | 16), "2.1"],
  ["sets DEVICE_NEEDS_RESET, which is the device's", "known", set(COMMON.DEVICE_STATUS, 3 | 64), "2.1"],
  ["sets FEATURES_OK before DRIVER", "unknown", set(COMMON.DEVICE_STATUS, 9), "3.1.1"],
  ["sets DRIVER_OK before FEATURES_OK", "known", set(COMMON.DEVICE_STATUS, 7), "3.1.1"],
  ["sets FEATURES_OK and DRIVER_OK at once", "known", set(COMMON.DEVICE_STATUS, 15), "3.1.1"],
  ["sets DRIVER_OK without a look at FEATURES_OK", "unread", set(COMMON.DEVICE_STATUS, 15), "3.1.1"],
  ["writes the same status again", "negotiated", set(COMMON.DEVICE_STATUS, 11)],
  ["gives up", "running", set(COMMON.DEVICE_STATUS, 0x8f)],
  ["gives up at once", "unknown", set(COMMON.DEVICE_STATUS, 0x81)],
  ["gives up, and resets", "known", (driver) => {
    driver.set(COMMON.DEVICE_STATUS, 0x83);
    driver.set(COMMON.DEVICE_STATUS, 0);
    driver.set(COMMON.DEVICE_STATUS, 1);
  }],
  ["goes on after it gave up", "known", (driver) => {
    driver.set(COMMON.DEVICE_STATUS, 0x83);
    driver.set(COMMON.DEVICE_STATUS, 0x8b);
  }, "2.1.1"],
  ["sets ACKNOWLEDGE and DRIVER at once", "unknown", (driver) => {
    driver.set(COMMON.DEVICE_STATUS, 0);
    driver.set(COMMON.DEVICE_STATUS, 3);
  }],
  // Features (I18, F* and guest_feature).
  ["reads features before DRIVER", "unknown", get(COMMON.DEVICE_FEATURE), "3.1.1"],
  ["selects features before DRIVER", "unknown", set(COMMON.DEVICE_FEATURE_SELECT, 0), "3.1.1"],
  ["accepts features before DRIVER", "unknown", set(COMMON.DRIVER_FEATURE, 0), "3.1.1"],
  ["accepts what was not offered", "known", set(COMMON.DRIVER_FEATURE, 2), "2.2.1"],
  ["accepts a high feature that was not offered", "known", (driver) => driver.accept(1n << 33n), "2.2.1"],
  ["accepts a feature beyond all", "known", (driver) => {
    driver.set(COMMON.DRIVER_FEATURE_SELECT, 2);
    driver.set(COMMON.DRIVER_FEATURE, 1);
  }, "2.2.1"],
  ["accepts nothing beyond all", "known", (driver) => {
    driver.set(COMMON.DRIVER_FEATURE_SELECT, 0xffff_ffff);
    driver.set(COMMON.DRIVER_FEATURE, 0);
  }],
  ["accepts features after FEATURES_OK", "negotiated", set(COMMON.DRIVER_FEATURE, 1), "3.1.1"],
  ["reads features after FEATURES_OK", "running", get(COMMON.DEVICE_FEATURE)],
  // Queues (I18, I20).
  ["reads a queue before DRIVER", "unknown", get(COMMON.QUEUE_SIZE), "3.1.1"],
  ["selects a queue early", "unknown", set(COMMON.QUEUE_SELECT, 1)],
  ["sets a queue's size before FEATURES_OK", "known", set(COMMON.QUEUE_SIZE, 8), "3.1.1"],
  ["sets an address before FEATURES_OK", "known", set(COMMON.QUEUE_DESC, 0x1000), "3.1.1"],
  ["sets an address without a look at FEATURES_OK", "unread", set(COMMON.QUEUE_DESC, 0x1000), "3.1.1"],
  ["enables a queue before FEATURES_OK", "known", set(COMMON.QUEUE_ENABLE, 1), "3.1.1"],
  ["sets a size that is no power of two", "negotiated", set(COMMON.QUEUE_SIZE, 24), "4.1.4.3.2"],
  ["sets size 0", "negotiated", set(COMMON.QUEUE_SIZE, 0), "4.1.4.3.2"],
  ["sets a size above the device's", "negotiated", set(COMMON.QUEUE_SIZE, 512), "4.1.4.3"],
  ["sets size 1", "negotiated", enable({ size: 1 })],
  ["sets the size of an enabled queue", "enabled", set(COMMON.QUEUE_SIZE, 8), "4.1.4.3.2"],
  ["moves an enabled queue", "enabled", set(COMMON.QUEUE_DEVICE + 4, 0), "4.1.4.3.2"],
  ["enables twice", "enabled", set(COMMON.QUEUE_ENABLE, 1)],
  ["enables a running queue again", "running", set(COMMON.QUEUE_ENABLE, 1)],
  ["disables a queue", "enabled", set(COMMON.QUEUE_ENABLE, 0), "4.1.4.3.2"],
  ["enables with 2", "negotiated", set(COMMON.QUEUE_ENABLE, 2), "4.1.4.3.2"],
  ["enables a queue that does not exist", "negotiated", enable({}, 2), "4.1.5.1.3"],
  ["enables a queue after DRIVER_OK", "enabled", (driver) => {
    driver.set(COMMON.DEVICE_STATUS, 15);
    driver.set(COMMON.QUEUE_SELECT, 1);
    driver.set(COMMON.QUEUE_ENABLE, 1);
  }, "3.1.1"],
  ["puts descriptors at no multiple of 16", "negotiated", enable({ descriptors: 0x1_0008 }), "2.7.1"],
  ["puts the available ring at an odd place", "negotiated", enable({ available: 0x1_1001 }), "2.7.1"],
  ["puts the used ring at no multiple of 4", "negotiated", enable({ used: 0x1_2002 }), "2.7.1"],
  ["puts descriptors across the end of RAM", "negotiated", enable({ descriptors: END - 0x70 }), "2.7"],
  ["puts descriptors right before the end of RAM", "negotiated", enable({ descriptors: END - 0x80 })],
  ["puts the available ring across the end", "negotiated", enable({ available: END - 20 }), "2.7"],
  ["puts the available ring before the end", "negotiated", enable({ available: END - 22 })],
  ["puts the used ring across the end", "negotiated", enable({ used: END - 68 }), "2.7"],
  ["puts the used ring before the end", "negotiated", enable({ used: END - 72 })],
  ["puts descriptors above 4 GiB", "negotiated", enable({ descriptors: 2 ** 32 + 0x1_0000 }), "2.7"],
  ["puts a ring at the top of 64 bits", "negotiated", (driver) => {
    driver.place(0);
    driver.set(COMMON.QUEUE_DRIVER, 0xffff_fffe);
    driver.set(COMMON.QUEUE_DRIVER + 4, 0xffff_ffff);
    driver.set(COMMON.QUEUE_ENABLE, 1);
  }, "2.7"],
  ["enables a used ring with flags", "negotiated", (driver) => {
    driver.memory.setUint16(0x1_2000, 1);
    enable({})(driver);
  }, "2.7.10.1"],
  // Vectors: there is no MSI-X, and Linux writes "no vector".
  ["writes no vector", "negotiated", set(COMMON.QUEUE_MSIX_VECTOR, 0xffff)],
  ["writes a vector, and reads back that it failed", "negotiated", set(COMMON.CONFIG_MSIX_VECTOR, 3)],
  // Fields that are the device's (I18, "anything else").
  ["writes device_feature", "known", set(COMMON.DEVICE_FEATURE, 0), "4.1.4.3.2"],
  ["writes num_queues", "known", set(COMMON.NUM_QUEUES, 2), "4.1.4.3.2"],
  ["writes config_generation", "known", set(COMMON.CONFIG_GENERATION, 0), "4.1.4.3.2"],
  ["writes queue_notify_off", "negotiated", set(COMMON.QUEUE_NOTIFY_OFF, 0), "4.1.4.3.2"],
  ["writes the ISR", "running", write(0x100, 1, 0), "4.1.4"],
  ["writes between the structures", "running", write(0x101, 1, 0), "4.1.4"],
  ["writes configuration behind its end", "running", write(0x208, 4, 0), "4.1.4"],
  ["writes configuration across a boundary", "running", write(0x201, 2, 0), "4.1.3.1"],
  ["writes configuration that the device does not let it", "running", write(0x204, 4, 0), "2.5"],
  // Widths (§4.1.3.1).
  ["reads a 32-bit field in halves", "known", get(COMMON.DEVICE_FEATURE, 2), "4.1.3.1"],
  ["reads a 16-bit field as a byte", "known", get(COMMON.NUM_QUEUES, 1), "4.1.3.1"],
  ["reads two fields at once", "known", get(COMMON.DEVICE_STATUS, 4), "4.1.3.1"],
  ["reads from the middle of a field", "known", get(COMMON.DEVICE_FEATURE + 2, 2), "4.1.3.1"],
  ["writes the status as a word", "known", set(COMMON.DEVICE_STATUS, 3, 2), "4.1.3.1"],
  // Kicks (§4.1.5.2).
  ["kicks a queue that does not run", "negotiated", (driver) => driver.kick(0)],
  ["kicks with 32 bits", "running", write(0x800, 4, 0), "4.1.5.2"],
  ["kicks between two doorbells", "running", write(0x802, 2, 0), "4.1.5.2"],
  ["kicks one queue at the other's doorbell", "running", write(0x804, 2, 0), "4.1.5.2"],
  ["kicks a queue that does not exist", "running", (driver) => driver.kick(2), "4.1.4"],
];

for (const [what, stage, deed, section] of DEEDS) {
  Deno.test(`a driver that ${what} (${stage}) ${section ? `breaks §${section}` : "breaks nothing"}`, () => {
    const driver = new PciDriver(new FakeDevice());
    STAGES[stage](driver);
    assertEquals(driver.deaths, []);
    deed(driver);
    assertEquals(driver.deaths.length, section ? 1 : 0, driver.deaths[0] ?? "nothing happened");
    if (section) {
      assertMatch(driver.deaths[0]!, /^Virtio fake( first queue| second queue| 2 queue)?: the driver [a-z].* \(virtio/);
      assertEquals(/§([\d.]+)\)$/.exec(driver.deaths[0]!)?.[1], section);
    }
  });
}

Deno.test("a driver without VERSION_1 finds FEATURES_OK refused, and cannot go on", () => {
  const driver = new PciDriver(new FakeDevice());
  driver.set(COMMON.DEVICE_STATUS, 3);
  driver.accept(1n);
  driver.set(COMMON.DEVICE_STATUS, 11);
  assertEquals([driver.get(COMMON.DEVICE_STATUS), driver.deaths], [3, []]);
  driver.accept(VERSION_1);
  driver.set(COMMON.DEVICE_STATUS, 11);
  assertEquals([driver.get(COMMON.DEVICE_STATUS), driver.deaths], [11, []]);
  driver.set(COMMON.DEVICE_STATUS, 0);
  driver.set(COMMON.DEVICE_STATUS, 3);
  driver.set(COMMON.DEVICE_STATUS, 11);
  driver.set(COMMON.DEVICE_STATUS, 15);
  assertMatch(driver.deaths[0]!, /§3\.1\.1\)$/);
});
