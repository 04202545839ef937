/** `seccomp_data.arch`: whose numbers a call counts in (linux/audit.h). */
export const AUDIT_ARCH = {
  X86_64: 0xc000_003e,
  I386: 0x4000_0003,
  AARCH64: 0xc000_00b7,
  ARM: 0x4000_0028,
} as const;
