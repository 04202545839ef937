/** A network that is the loopback interface and nothing else. */
import { AF, SOCK } from "#ffi/abi/socket.ts";
import { IFF, IFREQ, SIOC } from "#ffi/abi/netdevice.ts";
import type { Phase } from "../phase.ts";
import { step } from "../step.ts";

const LOOPBACK = [
  step("loopback.socket", "socket", [AF.INET, SOCK.DGRAM, 0], { save: "socket" }),
  step("loopback.up", "ioctl", [{ slot: "socket" }, SIOC.SIFFLAGS, interfaceRequest("lo", IFF.UP)]),
  step("loopback.close", "close", [{ slot: "socket" }]),
];

/** Nothing to do in the host's own network. */
export const loopback: Phase = ({ policy }) => (policy.share.includes("net") ? [] : LOOPBACK);

/** `struct ifreq` with flags. */
function interfaceRequest(name: string, flags: number): Uint8Array {
  const bytes = new Uint8Array(IFREQ.size);
  bytes.set(Buffer.from(name), IFREQ.name);
  new DataView(bytes.buffer).setInt16(IFREQ.flags, flags, true);
  return bytes;
}
