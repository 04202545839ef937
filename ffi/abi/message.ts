/** sendmsg(2), recvmsg(2), cmsg(3). */
/** Flags of a message. */
export const MSG = { CTRUNC: 0x8, DONTWAIT: 0x40, NOSIGNAL: 0x4000, CMSG_CLOEXEC: 0x4000_0000 } as const;
/** `struct msghdr`: its bytes and the offsets that we use. */
export const MSGHDR = { size: 56, iov: 16, iovlen: 24, control: 32, controllen: 40, flags: 48 } as const;
/** A control message with one descriptor: `struct cmsghdr` { len: 64 bits, level, type: 32 }, the descriptor, padding. */
export const CMSG = { size: 24, length: 20, level: 8, type: 12, data: 16 } as const;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;

/** `struct msghdr` without its pointers. */
export function messageHeader({ vectors, control }: { vectors: number; control: number }): Uint8Array {
  const bytes = new Uint8Array(MSGHDR.size);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(MSGHDR.iovlen, BigInt(vectors), true);
  view.setBigUint64(MSGHDR.controllen, BigInt(control), true);
  return bytes;
}

/** The control message, its descriptor still to be put in. */
export function rightsMessage(): Uint8Array {
  const bytes = new Uint8Array(CMSG.size);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(CMSG.length), true);
  view.setInt32(CMSG.level, SOL_SOCKET, true);
  view.setInt32(CMSG.type, SCM_RIGHTS, true);
  return bytes;
}
