/** `tele cert` as a process, through the command line's own front. */
import { run } from "#cli/run.ts";

process.exitCode = await run(["cert", ...process.argv.slice(2)]);
