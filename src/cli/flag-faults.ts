/** A refused spec in the words of the command line that it was made of. */
import { type Fault, TeleError } from "#errors";
import { SHAREABLE } from "#spec/security-names.ts";
import type { Values } from "./command.ts";
import { type MOUNT_FLAGS, mountsOf } from "./mount-flags.ts";
import type { SANDBOX_FLAGS } from "./sandbox-flags.ts";

type Given = Partial<Values<typeof SANDBOX_FLAGS>> & Values<typeof MOUNT_FLAGS>;

/**
 * The same error with its faults under the flags as they were typed, and a way out for who typed flags: the API's own
 * points to its document. Anything but a refusal with faults stays as it is.
 */
export async function inFlags(error: unknown, flags: Given, path: string): Promise<unknown> {
  if (!(error instanceof TeleError) || !error.fields.faults) return error;
  const { made } = await mountsOf(flags);
  const words = made.map((mount) => mount.words);
  const faults = error.fields.faults.map((fault) => typed(fault, words, flags));
  const hint = error.code === "INVALID_ARGUMENT" ? { hint: `see the flags with: ${path} --help` } : {};
  return new TeleError(error.code, { ...error.fields, faults, ...hint }, { cause: error });
}

function typed({ pointer, detail }: Fault, mounts: readonly string[], flags: Given): Fault {
  const mount = mounts[Number(/^\/mounts\/(\d+)/.exec(pointer)?.[1] ?? -1)];
  return {
    pointer: mount === undefined ? (flagTyped(pointer, flags) ?? pointer) : `${mount}:`,
    detail: detail.replaceAll(/\/mounts\/(\d+)/g, (place, index: string) => mounts[Number(index)] ?? place),
  };
}

/** Where one field has several flags, the one that was used. */
function flagTyped(pointer: string, flags: Given): string | undefined {
  if (pointer.startsWith("/security/share")) {
    const shared = SHAREABLE.filter((name) => flags[`share-${name}`]).map((name) => `--share-${name}`);
    return shared.length > 0 ? shared.join(" ") : undefined;
  }
  if (pointer === "/security/userns" && flags["share-user"]) return "--share-user";
  if (pointer === "/user" && (flags.uid ?? flags.gid) !== undefined)
    return flags.uid === undefined ? "--gid" : flags.gid === undefined ? "--uid" : "--uid and --gid";
  return undefined;
}
