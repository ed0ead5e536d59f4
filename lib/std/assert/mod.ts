/**
 * Offline stand-in for `@std/assert`: the assertions this project uses, with the real package's names and signatures.
 * What enters is a claim; what leaves is nothing, or an {@link AssertionError}. Read next: any file under `tests/`.
 *
 * @module
 */
import { deepStrictEqual } from "node:assert/strict";
import { inspect } from "node:util";

/** A class, abstract or not, whose instances are `T`. */
// deno-lint-ignore no-explicit-any
type ErrorClass<T> = abstract new (...args: any[]) => T;

/** What every failed assertion throws. */
export class AssertionError extends Error {
  override name = "AssertionError";
}

/** Claim that `expr` is truthy. */
export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError(msg);
}

/** Claim that `expr` is falsy. */
export function assertFalse(expr: unknown, msg?: string): void {
  if (expr) throw new AssertionError(withMessage(`Expected a falsy value, got ${show(expr)}`, msg));
}

/** Whether `a` and `b` are deeply equal. */
export function equal(a: unknown, b: unknown): boolean {
  return difference(a, b) === undefined;
}

/** Claim that `actual` and `expected` are deeply equal. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  const text = difference(actual, expected);
  if (text !== undefined) throw new AssertionError(withMessage(`Values are not equal: ${text}`, msg));
}

/** Claim that `actual` and `expected` are not deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  if (equal(actual, expected)) {
    throw new AssertionError(
      withMessage(`Expected actual: ${show(actual)} not to be: ${show(expected)}`, msg),
    );
  }
}

/** Claim that `actual` is the very same value as `expected` (`Object.is`). */
export function assertStrictEquals<T>(actual: unknown, expected: T, msg?: string): asserts actual is T {
  if (!Object.is(actual, expected)) {
    const text = `Values are not strictly equal: ${show(actual)} is not ${show(expected)}`;
    throw new AssertionError(withMessage(text, msg));
  }
}

/** Claim that `actual` is not the same value as `expected` (`Object.is`). */
export function assertNotStrictEquals<T>(actual: T, expected: T, msg?: string): void {
  if (Object.is(actual, expected)) {
    throw new AssertionError(
      withMessage(`Expected "actual" to not be strictly equal to: ${show(actual)}`, msg),
    );
  }
}

/** Claim that two numbers differ by at most `tolerance` (by default, a ten-millionth of `expected`). */
export function assertAlmostEquals(actual: number, expected: number, tolerance?: number, msg?: string): void {
  if (Object.is(actual, expected)) return;
  const limit = tolerance ?? (isFinite(expected) ? Math.abs(expected * 1e-7) : 1e-7);
  const delta = Math.abs(expected - actual);
  if (delta <= limit) return;
  const text = `Expected actual: "${actual}" to be close to "${expected}": delta "${delta}" is greater than "${limit}"`;
  throw new AssertionError(withMessage(text, msg));
}

/** Claim that `actual` is at least `expected`. */
export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (actual >= expected) return;
  throw new AssertionError(withMessage(`Expect ${show(actual)} >= ${show(expected)}`, msg));
}

/** Claim that `actual` is greater than `expected`. */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  if (actual > expected) return;
  throw new AssertionError(withMessage(`Expect ${show(actual)} > ${show(expected)}`, msg));
}

/** Claim that `actual` is at most `expected`. */
export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (actual <= expected) return;
  throw new AssertionError(withMessage(`Expect ${show(actual)} <= ${show(expected)}`, msg));
}

/** Claim that `actual` is less than `expected`. */
export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  if (actual < expected) return;
  throw new AssertionError(withMessage(`Expect ${show(actual)} < ${show(expected)}`, msg));
}

/** Claim that `actual` is neither `null` nor `undefined`. */
export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T> {
  if (actual === undefined || actual === null) {
    throw new AssertionError(withMessage(`Expected actual: "${actual}" to not be null or undefined`, msg));
  }
}

/** Claim that `actual` is an instance of `expectedType`. */
export function assertInstanceOf<T>(
  actual: unknown,
  expectedType: ErrorClass<T>,
  msg = "",
): asserts actual is T {
  if (actual instanceof expectedType) return;
  const text = `Expected object to be an instance of "${expectedType.name}" but was ${show(actual)}`;
  throw new AssertionError(withMessage(text, msg));
}

/** Claim that `expected` occurs in `actual`. */
export function assertStringIncludes(actual: string, expected: string, msg?: string): void {
  if (actual.includes(expected)) return;
  throw new AssertionError(
    withMessage(`Expected actual: ${show(actual)} to contain: ${show(expected)}`, msg),
  );
}

/** Claim that `actual` holds every element of `expected`. */
export function assertArrayIncludes<T>(actual: ArrayLike<T>, expected: ArrayLike<T>, msg?: string): void {
  const have = Array.from(actual);
  const missing = Array.from(expected).filter((item) => !have.some((other) => equal(item, other)));
  if (missing.length === 0) return;
  throw new AssertionError(withMessage(`Expected actual: ${show(actual)} to include: ${show(missing)}`, msg));
}

/** Claim that `expected` matches `actual`. */
export function assertMatch(actual: string, expected: RegExp, msg?: string): void {
  if (expected.test(actual)) return;
  throw new AssertionError(withMessage(`Expected actual: ${show(actual)} to match: ${expected}`, msg));
}

/** Claim that `expected` does not match `actual`. */
export function assertNotMatch(actual: string, expected: RegExp, msg?: string): void {
  if (!expected.test(actual)) return;
  throw new AssertionError(withMessage(`Expected actual: ${show(actual)} to not match: ${expected}`, msg));
}

/** Claim that `error` is an `Error`, of a class and with a text in its message if these are given. */
export function assertIsError<E extends Error = Error>(
  error: unknown,
  // deno-lint-ignore no-explicit-any
  ErrorClass?: abstract new (...args: any[]) => E,
  msgMatches?: string | RegExp,
  msg?: string,
): asserts error is E {
  if (!(error instanceof Error)) {
    throw new AssertionError(withMessage(`Expected "error" to be an Error object, got ${show(error)}`, msg));
  }
  if (ErrorClass && !(error instanceof ErrorClass)) {
    const text =
      `Expected error to be instance of "${ErrorClass.name}", but was "${error.constructor.name}": ${error.message}`;
    throw new AssertionError(withMessage(text, msg), { cause: error });
  }
  const matches = msgMatches === undefined ||
    (typeof msgMatches === "string" ? error.message.includes(msgMatches) : msgMatches.test(error.message));
  if (!matches) {
    const text = `Expected error message to include ${show(msgMatches)}, but got ${show(error.message)}`;
    throw new AssertionError(withMessage(text, msg), { cause: error });
  }
}

/** Claim that `fn` throws, and return what it threw. */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/** Claim that `fn` throws an error of a class, with a text in its message if one is given, and return it. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  // deno-lint-ignore no-explicit-any
  ErrorClass: abstract new (...args: any[]) => E,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows(
  fn: () => unknown,
  classOrMessage?: ErrorClass<Error> | string,
  msgIncludes?: string,
  msg?: string,
): unknown {
  const text = typeof classOrMessage === "string" ? classOrMessage : msg;
  try {
    fn();
  } catch (error) {
    if (typeof classOrMessage === "function") assertIsError(error, classOrMessage, msgIncludes, text);
    return error;
  }
  throw new AssertionError(withMessage("Expected function to throw", text));
}

/** Claim that the promise of `fn` rejects, and return its reason. */
export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
/** Claim that the promise of `fn` rejects with an error of a class, and return it. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  // deno-lint-ignore no-explicit-any
  ErrorClass: abstract new (...args: any[]) => E,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects(
  fn: () => PromiseLike<unknown>,
  classOrMessage?: ErrorClass<Error> | string,
  msgIncludes?: string,
  msg?: string,
): Promise<unknown> {
  const text = typeof classOrMessage === "string" ? classOrMessage : msg;
  let promise: PromiseLike<unknown>;
  try {
    promise = fn();
  } catch (error) {
    throw new AssertionError(withMessage("Function throws when expected to reject", text), { cause: error });
  }
  try {
    await promise;
  } catch (error) {
    if (typeof classOrMessage === "function") assertIsError(error, classOrMessage, msgIncludes, text);
    return error;
  }
  throw new AssertionError(withMessage("Expected function to reject", text));
}

/** Fail. */
export function fail(msg?: string): never {
  throw new AssertionError(withMessage("Failed assertion", msg));
}

/** Fail because code ran that cannot. */
export function unreachable(reason?: string): never {
  throw new AssertionError(withMessage("Unreachable", reason));
}

/** Fail because something is missing. */
export function unimplemented(msg?: string): never {
  throw new AssertionError(withMessage("Unimplemented", msg));
}

function difference(actual: unknown, expected: unknown): string | undefined {
  try {
    deepStrictEqual(actual, expected);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function show(value: unknown): string {
  return inspect(value, { depth: 4, maxStringLength: 10_000 });
}

function withMessage(text: string, msg: string | undefined): string {
  return msg ? `${text}: ${msg}` : text;
}
