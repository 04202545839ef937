/**
 * Landlock: what of the file system may be read and executed, and what may be written too (landlock(7)). Set up while
 * the workload still has capabilities, which stand for PR_SET_NO_NEW_PRIVS where a job asks to do without that.
 */
import { AT, O } from "#ffi/abi/fcntl.ts";
import {
  LANDLOCK_ACCESS_FS,
  LANDLOCK_PATH_BENEATH,
  LANDLOCK_RULE,
  LANDLOCK_RULESET_SIZE,
  landlockAccess,
} from "#ffi/abi/landlock.ts";
import type { Phase } from "../phase.ts";
import { type Step, step, type Value } from "../step.ts";

const { EXECUTE, READ_FILE, READ_DIR, WRITE_FILE, TRUNCATE, IOCTL_DEV } = LANDLOCK_ACCESS_FS;
const READ = EXECUTE | READ_FILE | READ_DIR;
/** All that may be said of what is no directory; more is EINVAL. */
const FILE = EXECUTE | READ_FILE | WRITE_FILE | TRUNCATE | IOCTL_DEV;
/** Without these no program starts, and nothing in them is the host's. */
const ALWAYS = { read: ["/proc"], write: ["/dev"] } as const;

export const landlock: Phase = ({ policy, facts }) => {
  if (!policy.landlock || facts.landlock === 0) return [];
  const everything = landlockAccess(facts.landlock);
  const write = [...ALWAYS.write, ...policy.landlock.write].map((path) => ({ path, access: everything }));
  const read = [...ALWAYS.read, ...policy.landlock.read].map((path) => ({ path, access: READ }));
  return [
    step("landlock.create", "landlock_create_ruleset", [words(everything), LANDLOCK_RULESET_SIZE, 0], {
      save: "ruleset",
    }),
    ...[...write, ...read].flatMap(({ path, access }, index): Step[] => [
      step(`landlock.open-${index}`, "openat", [AT.FDCWD, path, O.PATH | O.CLOEXEC, 0], { save: "beneath" }),
      // Twice, because only the kernel knows whether it is a file: what holds for both, then what for directories alone.
      step(`landlock.file-${index}`, "landlock_add_rule", rule(access & FILE)),
      step(`landlock.directory-${index}`, "landlock_add_rule", rule(access), { tolerate: ["EINVAL"] }),
      step(`landlock.close-${index}`, "close", [{ slot: "beneath" }]),
    ]),
    step("landlock.restrict", "landlock_restrict_self", [{ slot: "ruleset" }, 0]),
    step("landlock.close", "close", [{ slot: "ruleset" }]),
  ];
};

function rule(access: number): Value[] {
  const { size, parent_fd } = LANDLOCK_PATH_BENEATH;
  const patched = new Uint8Array(size);
  patched.set(words(access));
  return [{ slot: "ruleset" }, LANDLOCK_RULE.PATH_BENEATH, { patched, at: parent_fd, slot: "beneath" }, 0];
}

function words(value: number): Uint8Array {
  return new Uint8Array(BigUint64Array.of(BigInt(value)).buffer);
}
