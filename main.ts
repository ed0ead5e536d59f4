/**
 * The launcher: `lguest [options] <mem> <kernel> [kernel arguments…]`.
 *
 * @module
 */
import { launch } from "./lib/cli/launch.ts";

if (import.meta.main) Deno.exit(await launch(Deno.args));
