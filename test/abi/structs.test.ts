// Structures that we fill, byte for byte as C fills them, on both machines.
import { expect, test } from "bun:test";
import { capHeader, capData } from "#ffi/abi/capabilities.ts";
import { CLONE, CLONE_CLEAR_SIGHAND, CLONE_INTO_CGROUP, cloneArgs } from "#ffi/abi/clone.ts";
import { O } from "#ffi/abi/fcntl.ts";
import { MOUNT_ATTR, mountAttr } from "#ffi/abi/mount-api.ts";
import { openHow, RESOLVE } from "#ffi/abi/openat2.ts";
import { rlimit } from "#ffi/abi/resource.ts";
import { SIGACTION_SIZE, SIGSET_SIZE } from "#ffi/abi/signal.ts";
import { KERNEL_HEADERS } from "./held.ts";
import { ARCHITECTURES, linesOfC } from "./toolchain.ts";

/** C declarations of a variable `it`, and our bytes of the same. */
const STRUCTURES: Readonly<Record<string, readonly [inC: string, ours: Uint8Array]>> = {
  clone_args: [
    `struct clone_args it = { .flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | CLONE_NEWNET | CLONE_CLEAR_SIGHAND |
       CLONE_INTO_CGROUP, .pidfd = 0x7fff12345678, .exit_signal = SIGCHLD, .cgroup = 9 };`,
    cloneArgs({
      flags: BigInt(CLONE.VM | CLONE.VFORK | CLONE.PIDFD | CLONE.NEWNET) | CLONE_CLEAR_SIGHAND | CLONE_INTO_CGROUP,
      pidfd: 0x7fff_1234_5678,
      exit_signal: 17,
      cgroup: 9,
    }),
  ],
  mount_attr: [
    `struct mount_attr it = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_IDMAP, .attr_clr = MOUNT_ATTR_NOEXEC,
       .propagation = MS_PRIVATE, .userns_fd = 7 };`,
    mountAttr(MOUNT_ATTR.RDONLY | MOUNT_ATTR.IDMAP, {
      clear: MOUNT_ATTR.NOEXEC,
      propagation: 0x40000,
      usernsFd: 7,
    }),
  ],
  rlimit64: ["struct rlimit64 it = { .rlim_cur = 1024, .rlim_max = 524288 };", rlimit(1024, 524288)],
  cap_header: [
    "struct __user_cap_header_struct it = { .version = _LINUX_CAPABILITY_VERSION_3, .pid = 0 };",
    capHeader(),
  ],
  no_cap_data: ["struct __user_cap_data_struct it[_LINUX_CAPABILITY_U32S_3] = {};", capData([])],
  cap_data: [
    `struct __user_cap_data_struct it[_LINUX_CAPABILITY_U32S_3] = {
       { .effective = 1u << CAP_CHOWN | 1u << CAP_SETFCAP, .permitted = 1u << CAP_CHOWN | 1u << CAP_SETFCAP,
         .inheritable = 1u << CAP_CHOWN },
       { .effective = 1u << (CAP_BPF - 32), .permitted = 1u << (CAP_BPF - 32), .inheritable = 1u << (CAP_BPF - 32) } };`,
    capData([0, 31, 39], [0, 39]),
  ],
  open_how: [
    "struct open_how it = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS };",
    openHow(O.PATH | O.CLOEXEC, RESOLVE.IN_ROOT | RESOLVE.NO_SYMLINKS),
  ],
  sigaction: ["struct sigaction it = { .sa_handler = SIG_DFL };", new Uint8Array(SIGACTION_SIZE)],
  sigset: ["sigset_t it = {0};", new Uint8Array(SIGSET_SIZE)],
};

for (const architecture of ARCHITECTURES) {
  test(`${architecture}: structures are byte for byte what C makes of the same fields`, () => {
    const dumps = Object.values(STRUCTURES).map(
      ([declaration]) => `  { ${declaration} dump(&it, sizeof it); }
`,
    );
    const lines = linesOfC(
      architecture,
      `${KERNEL_HEADERS.map((name) => `#include <${name}>\n`).join("")}int printf(const char *, ...);
static void dump(void *bytes, unsigned long size) {
  for (unsigned long at = 0; at < size; at++) printf("%02x", ((unsigned char *)bytes)[at]);
  printf("\\n");
}
int main(void) {
${dumps.join("")}  return 0;
}
`,
    );
    const named = (list: readonly (string | undefined)[]) =>
      Object.fromEntries(Object.keys(STRUCTURES).map((name, index) => [name, list[index]]));
    expect(named(Object.values(STRUCTURES).map(([, ours]) => Buffer.from(ours).toString("hex")))).toEqual(named(lines));
  });
}
