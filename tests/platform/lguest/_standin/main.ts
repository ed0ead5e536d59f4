/**
 * The program over a stand-in for `/dev/lguest`, to boot real kernels on the real Host's way; `scripts/lguest_check.ts`
 * has an option for it:
 *
 * ```sh
 * deno run -A tests/platform/lguest/_standin/main.ts --engine=lguest 64 bzImage
 * ```
 *
 * @module
 */
import { launch } from "../../../../lib/cli/launch.ts";

Deno.exit(await launch(Deno.args, new URL("./vcpu_worker.ts", import.meta.url)));
