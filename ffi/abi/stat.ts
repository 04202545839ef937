/** inode(7), makedev(3). */
export const S_IFREG = 0o100000;
export const S_IFCHR = 0o020000;

/** The kernel's 32-bit device number (`new_encode_dev`). */
export function makedev(major: number, minor: number): number {
  return (minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12);
}

/** `makedev(1, 3)` for such a number. */
export function deviceName(device: number): string {
  return `makedev(${(device >>> 8) & 0xfff}, ${(device & 0xff) | ((device >>> 12) & 0xfff00)})`;
}
