/**
 * The Host on the built-in CPU, behind the stand-in: whole Guests run through the device's file. What a test gives as
 * the Host's options is what `SoftHost` takes.
 *
 * @module
 */
import { SoftHost, type SoftHostOptions } from "../../../../lib/platform/lguest/soft_host.ts";
import type { HostModule } from "./host.ts";

export const createHost: HostModule["createHost"] = ({ memory, generation, options }) =>
  new SoftHost(memory, generation, options as SoftHostOptions | undefined);
