/** Entry of the one file. Nothing is imported here: `tele --version` answers before anything is loaded. */
import { VERSION } from "#version";

const argv = process.argv.slice(2);

if (argv.length === 1 && (argv[0] === "--version" || argv[0] === "-V")) {
  // Not `writeSync`: node:fs alone costs a third of this process's time.
  console.log(`tele ${VERSION}`);
} else {
  // No top-level await: bytecode can then be made for either module format.
  void import("#cli/run.ts").then(({ run }) => run(argv)).then((status) => process.exit(status));
}
