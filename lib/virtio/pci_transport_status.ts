/**
 * How far a driver has got: the device status field (virtio 1.2 §2.1) and the order in which it must be filled
 * (§3.1.1). What breaks the order is a {@link DriverError}. Read next: `pci_transport_common.ts`, which asks here
 * before it lets the driver do anything.
 *
 * @module
 */
import { DriverError, STATUS } from "./device.ts";

/** Each bit, and those that must stand before it is set (§3.1.1), in order. */
const STEPS: readonly (readonly [bit: number, before: number, name: string])[] = [
  [STATUS.ACKNOWLEDGE, 0, "ACKNOWLEDGE"],
  [STATUS.DRIVER, STATUS.ACKNOWLEDGE, "DRIVER"],
  [STATUS.FEATURES_OK, STATUS.ACKNOWLEDGE | STATUS.DRIVER, "FEATURES_OK"],
  [STATUS.DRIVER_OK, STATUS.ACKNOWLEDGE | STATUS.DRIVER | STATUS.FEATURES_OK, "DRIVER_OK"],
];
const KNOWN = STATUS.FAILED | STEPS.reduce((bits, [bit]) => bits | bit, 0);

/** A device's status field. */
export class DeviceStatus {
  readonly #name: string;
  #value = 0;
  /** FEATURES_OK was set, and the driver has not looked whether it stayed (§3.1.1 step 6). */
  #unread = false;

  /**
   * A field that is 0.
   *
   * @param name what messages call the device
   */
  constructor(name: string) {
    this.#name = name;
  }

  /** The bits, as the driver reads them. */
  read(): number {
    this.#unread = false;
    return this.#value;
  }

  /** Whether the driver is ready. */
  get isRunning(): boolean {
    return (this.#value & STATUS.DRIVER_OK) !== 0;
  }

  /** Whether the driver has fixed the features. */
  get areFeaturesFixed(): boolean {
    return (this.#value & STATUS.FEATURES_OK) !== 0;
  }

  /** Back to 0. */
  reset(): void {
    this.#value = 0;
    this.#unread = false;
  }

  /**
   * The driver writes something other than 0. It may set several bits in one write, if the order allows them, set none,
   * and give up (FAILED) at any time.
   *
   * @param value what it writes
   * @param areFeaturesAcceptable whether FEATURES_OK may stay if it is set now (§2.2.2)
   * @returns whether the driver is ready from now on
   * @throws {DriverError} if the order is broken
   */
  write(value: number, areFeaturesAcceptable: boolean): boolean {
    const cleared = this.#value & ~value, added = value & ~this.#value;
    if (cleared) throw this.#error(`cleared bits 0x${cleared.toString(16)} of the device status`, "2.1.1");
    if (value & ~KNOWN) throw this.#error(`set unknown bits in the device status: 0x${value.toString(16)}`, "2.1");
    if (added & ~STATUS.FAILED && this.#value & STATUS.FAILED) {
      throw this.#error("went on after FAILED without a reset", "2.1.1");
    }
    for (const [bit, before, name] of STEPS) {
      if (added & bit && (value & before) !== before) throw this.#error(`set ${name} before its time`, "3.1.1");
    }
    if (added & STATUS.DRIVER_OK && (this.#unread || added & STATUS.FEATURES_OK)) {
      throw this.#error("set DRIVER_OK before it read whether FEATURES_OK stayed", "3.1.1");
    }
    if (added & STATUS.FEATURES_OK) this.#unread = true;
    this.#value = added & STATUS.FEATURES_OK && !areFeaturesAcceptable ? value & ~STATUS.FEATURES_OK : value;
    return (added & STATUS.DRIVER_OK) !== 0;
  }

  /**
   * The driver does what belongs behind DRIVER.
   *
   * @throws {DriverError} if it is not set
   */
  requireDriver(deed: string): void {
    if ((this.#value & STATUS.DRIVER) === 0) throw this.#error(`${deed} before it set DRIVER`, "3.1.1");
  }

  /**
   * The driver sets up a queue: features must be fixed, seen to be accepted, and the device not yet running.
   *
   * @throws {DriverError} if it is too early or too late
   */
  requireSetup(deed: string): void {
    if ((this.#value & STATUS.FEATURES_OK) === 0) throw this.#error(`${deed} before it set FEATURES_OK`, "3.1.1");
    if (this.#unread) throw this.#error(`${deed} before it read whether FEATURES_OK stayed`, "3.1.1");
    if (this.isRunning) throw this.#error(`${deed} after DRIVER_OK`, "3.1.1");
  }

  #error(what: string, section: string): DriverError {
    return new DriverError(this.#name, what, section);
  }
}
