/**
 * The two routines that run in this process, instruction by instruction with its bytes; a test gives the text to the
 * assembler and expects the same bytes.
 *
 * `call(number, a, b, c, d, e, f)` makes one system call and returns the kernel's own answer, so that an error is
 * `-errno` and nobody has to ask for `errno` after the runtime may have changed it.
 *
 * `launch(parameters)` blocks every signal, calls clone3 and, in the child, makes the listed calls one after the other
 * until one fails or an execveat succeeds. The child shares our memory and borrows our stack pointer without ever
 * using the stack (CLONE_VM), so nothing of the runtime runs in it; musl's posix_spawn.c explains why signals must
 * be blocked meanwhile. Offsets: see LAUNCH in `launch.ts`.
 */
import type { Architecture } from "../syscalls.ts";

/** One instruction as the GNU assembler takes it (Intel syntax on x86_64), and its bytes. Labels have none. */
export type Instruction = readonly [text: string, bytes: string];

export interface Stubs {
  readonly call: readonly Instruction[];
  readonly launch: readonly Instruction[];
}

export const STUBS: Readonly<Record<Architecture, Stubs>> = {
  x86_64: {
    call: [
      ["mov rax, rdi", "4889f8"],
      ["mov rdi, rsi", "4889f7"],
      ["mov rsi, rdx", "4889d6"],
      ["mov rdx, rcx", "4889ca"],
      ["mov r10, r8", "4d89c2"],
      ["mov r8, r9", "4d89c8"],
      ["mov r9, [rsp+8]", "4c8b4c2408"],
      ["syscall", "0f05"],
      ["ret", "c3"],
    ],
    launch: [
      ["push rbx", "53"],
      ["push r12", "4154"],
      ["mov rbx, rdi", "4889fb"],
      ["mov edi, 2", "bf02000000"],
      ["lea rsi, [rbx+56]", "488d7338"],
      ["lea rdx, [rbx+48]", "488d5330"],
      ["mov r10d, 8", "41ba08000000"],
      ["mov eax, 14", "b80e000000"],
      ["syscall", "0f05"],
      ["mov rdi, [rbx]", "488b3b"],
      ["mov rsi, [rbx+8]", "488b7308"],
      ["mov eax, 435", "b8b3010000"],
      ["syscall", "0f05"],
      ["test rax, rax", "4885c0"],
      ["je child", "7422"],
      ["mov r12, rax", "4989c4"],
      ["mov edi, 2", "bf02000000"],
      ["lea rsi, [rbx+48]", "488d7330"],
      ["xor edx, edx", "31d2"],
      ["mov r10d, 8", "41ba08000000"],
      ["mov eax, 14", "b80e000000"],
      ["syscall", "0f05"],
      ["mov rax, r12", "4c89e0"],
      ["pop r12", "415c"],
      ["pop rbx", "5b"],
      ["ret", "c3"],
      ["child:", ""],
      ["mov r12, [rbx+16]", "4c8b6310"],
      ["step:", ""],
      ["mov rax, [r12]", "498b0424"],
      ["mov rdi, [r12+8]", "498b7c2408"],
      ["mov rsi, [r12+16]", "498b742410"],
      ["mov rdx, [r12+24]", "498b542418"],
      ["mov r10, [r12+32]", "4d8b542420"],
      ["mov r8, [r12+40]", "4d8b442428"],
      ["mov r9, [r12+48]", "4d8b4c2430"],
      ["syscall", "0f05"],
      ["add r12, 56", "4983c438"],
      ["test rax, rax", "4885c0"],
      ["jns step", "79d3"],
      ["mov [rbx+24], r12", "4c896318"],
      ["mov [rbx+32], rax", "48894320"],
      ["mov edi, 125", "bf7d000000"],
      ["mov eax, 231", "b8e7000000"],
      ["syscall", "0f05"],
    ],
  },
  aarch64: {
    call: [
      ["mov x8, x0", "e80300aa"],
      ["mov x0, x1", "e00301aa"],
      ["mov x1, x2", "e10302aa"],
      ["mov x2, x3", "e20303aa"],
      ["mov x3, x4", "e30304aa"],
      ["mov x4, x5", "e40305aa"],
      ["mov x5, x6", "e50306aa"],
      ["svc #0", "010000d4"],
      ["ret", "c0035fd6"],
    ],
    launch: [
      ["stp x19, x20, [sp, #-16]!", "f353bfa9"],
      ["mov x19, x0", "f30300aa"],
      ["mov x0, #2", "400080d2"],
      ["add x1, x19, #56", "61e20091"],
      ["add x2, x19, #48", "62c20091"],
      ["mov x3, #8", "030180d2"],
      ["mov x8, #135", "e81080d2"],
      ["svc #0", "010000d4"],
      ["ldp x0, x1, [x19]", "600640a9"],
      ["mov x8, #435", "683680d2"],
      ["svc #0", "010000d4"],
      ["cbz x0, child", "600100b4"],
      ["mov x20, x0", "f40300aa"],
      ["mov x0, #2", "400080d2"],
      ["add x1, x19, #48", "61c20091"],
      ["mov x2, #0", "020080d2"],
      ["mov x3, #8", "030180d2"],
      ["mov x8, #135", "e81080d2"],
      ["svc #0", "010000d4"],
      ["mov x0, x20", "e00314aa"],
      ["ldp x19, x20, [sp], #16", "f353c1a8"],
      ["ret", "c0035fd6"],
      ["child:", ""],
      ["ldr x20, [x19, #16]", "740a40f9"],
      ["step:", ""],
      ["ldp x8, x0, [x20]", "880240a9"],
      ["ldp x1, x2, [x20, #16]", "810a41a9"],
      ["ldp x3, x4, [x20, #32]", "831242a9"],
      ["ldr x5, [x20, #48]", "851a40f9"],
      ["svc #0", "010000d4"],
      ["add x20, x20, #56", "94e20091"],
      ["tbz x0, #63, step", "40ffffb6"],
      ["str x20, [x19, #24]", "740e00f9"],
      ["str x0, [x19, #32]", "601200f9"],
      ["mov x0, #125", "a00f80d2"],
      ["mov x8, #94", "c80b80d2"],
      ["svc #0", "010000d4"],
    ],
  },
};

/** The bytes of a routine. */
export function stubBytes(instructions: readonly Instruction[]): Uint8Array {
  // Once per process and cold: to load Buffer for this, or to iterate over bytes, takes most of a millisecond.
  const hex = instructions.map((instruction) => instruction[1]).join("");
  const bytes = new Uint8Array(hex.length / 2);
  for (let at = 0; at < bytes.length; at++) bytes[at] = Number.parseInt(hex.substring(2 * at, 2 * at + 2), 16);
  return bytes;
}
