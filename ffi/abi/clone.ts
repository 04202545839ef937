/** clone3(2), unshare(2). */
export const CLONE = {
  /** Not in clone(2), where the bit is the exit signal's. */
  NEWTIME: 0x80,
  VM: 0x100,
  FS: 0x200,
  FILES: 0x400,
  SIGHAND: 0x800,
  PIDFD: 0x1000,
  VFORK: 0x4000,
  PARENT: 0x8000,
  NEWNS: 0x20000,
  NEWCGROUP: 0x2000000,
  NEWUTS: 0x4000000,
  NEWIPC: 0x8000000,
  NEWUSER: 0x10000000,
  NEWPID: 0x20000000,
  NEWNET: 0x40000000,
} as const;
/** Flags of clone3 alone, beyond 32 bits. */
export const CLONE_CLEAR_SIGHAND = 0x1_0000_0000n;
export const CLONE_INTO_CGROUP = 0x2_0000_0000n;
/** Bytes of `struct clone_args` as of Linux 5.7, `cgroup` included. */
export const CLONE_ARGS_SIZE = 88;

/** Offsets of `struct clone_args`, 64 bits each. */
export const CLONE_ARGS = {
  flags: 0,
  pidfd: 8,
  child_tid: 16,
  parent_tid: 24,
  exit_signal: 32,
  stack: 40,
  stack_size: 48,
  tls: 56,
  set_tid: 64,
  set_tid_size: 72,
  cgroup: 80,
} as const;

/** `struct clone_args` from its fields; what is left out is zero. */
export function cloneArgs(fields: Partial<Record<keyof typeof CLONE_ARGS, number | bigint>>): Uint8Array {
  const bytes = new Uint8Array(CLONE_ARGS_SIZE);
  const view = new DataView(bytes.buffer);
  for (const [name, value] of Object.entries(fields))
    view.setBigUint64(CLONE_ARGS[name as keyof typeof CLONE_ARGS], BigInt(value), true);
  return bytes;
}
