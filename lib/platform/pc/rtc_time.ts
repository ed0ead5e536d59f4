/**
 * The time registers of the MC146818: seconds since 1970 in, bytes out, and back. Binary or BCD and 12 or 24 hours as
 * register B says (Motorola MC146818 data sheet, tables 2 and 3). Read next: `rtc.ts`.
 *
 * @module
 */

/** The century, which the original chip had not; IBM's PC AT kept it here, in BCD. */
export const REGISTER_CENTURY = 0x32;

const SECONDS = 0;
const SECONDS_ALARM = 1;
const MINUTES = 2;
const MINUTES_ALARM = 3;
const HOURS = 4;
const HOURS_ALARM = 5;
const WEEKDAY = 6;
const DAY = 7;
const MONTH = 8;
const YEAR = 9;

const B_BINARY = 0x04;
const B_24_HOURS = 0x02;
const PM = 0x80;
/** An alarm byte with both high bits set matches everything. */
const DO_NOT_CARE = 0xc0;

/** Whether writing register `index` sets the time. */
export function isTimeRegister(index: number): boolean {
  return (index <= YEAR && index !== SECONDS_ALARM && index !== MINUTES_ALARM && index !== HOURS_ALARM) ||
    index === REGISTER_CENTURY;
}

/**
 * Put a time into the registers; the alarm's are left alone.
 *
 * @param seconds since 1970, UTC
 * @param format register B
 * @param into the registers
 */
export function encodeTime(seconds: number, format: number, into: Uint8Array): void {
  const date = new Date(seconds * 1000);
  const year = date.getUTCFullYear();
  into[SECONDS] = encode(date.getUTCSeconds(), format);
  into[MINUTES] = encode(date.getUTCMinutes(), format);
  into[HOURS] = encodeHour(date.getUTCHours(), format);
  into[WEEKDAY] = encode(date.getUTCDay() + 1, format);
  into[DAY] = encode(date.getUTCDate(), format);
  into[MONTH] = encode(date.getUTCMonth() + 1, format);
  into[YEAR] = encode(year % 100, format);
  into[REGISTER_CENTURY] = encode(Math.floor(year / 100), format);
}

/**
 * The time that the registers hold.
 *
 * @param from the registers
 * @param format register B
 * @returns seconds since 1970, UTC; `NaN` if there is no such date
 */
export function decodeTime(from: Uint8Array, format: number): number {
  const at = (index: number) => decode(from[index] ?? 0, format);
  const year = at(REGISTER_CENTURY) * 100 + at(YEAR);
  const month = at(MONTH) - 1;
  const day = at(DAY);
  const hour = decodeHour(from[HOURS] ?? 0, format);
  const milliseconds = Date.UTC(year, month, day, hour, at(MINUTES), at(SECONDS));
  const date = new Date(milliseconds);
  const exists = year >= 1970 && date.getUTCMonth() === month && date.getUTCDate() === day &&
    date.getUTCHours() === hour && date.getUTCMinutes() === at(MINUTES) && date.getUTCSeconds() === at(SECONDS);
  return exists ? milliseconds / 1000 : NaN;
}

/**
 * Whether the alarm registers match a time.
 *
 * @param seconds since 1970, UTC
 * @param registers the registers, alarm among them
 * @param format register B
 */
export function alarmMatches(seconds: number, registers: Uint8Array, format: number): boolean {
  const matches = (index: number, value: number) => {
    const wanted = registers[index] ?? 0;
    return (wanted & DO_NOT_CARE) === DO_NOT_CARE || wanted === value;
  };
  const day = ((seconds % 86_400) + 86_400) % 86_400;
  return matches(SECONDS_ALARM, encode(day % 60, format)) &&
    matches(MINUTES_ALARM, encode(Math.floor(day / 60) % 60, format)) &&
    matches(HOURS_ALARM, encodeHour(Math.floor(day / 3600), format));
}

function encode(value: number, format: number): number {
  return format & B_BINARY ? value : (Math.floor(value / 10) << 4) | value % 10;
}

function decode(value: number, format: number): number {
  return format & B_BINARY ? value : (value >> 4) * 10 + (value & 15);
}

function encodeHour(hour: number, format: number): number {
  if (format & B_24_HOURS) return encode(hour, format);
  return encode(hour % 12 === 0 ? 12 : hour % 12, format) | (hour >= 12 ? PM : 0);
}

function decodeHour(value: number, format: number): number {
  if (format & B_24_HOURS) return decode(value, format);
  return decode(value & ~PM, format) % 12 + (value & PM ? 12 : 0);
}
