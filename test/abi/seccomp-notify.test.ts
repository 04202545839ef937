// The numbers by which a filter's listener is handed over and asked, against the C headers of both machines.
import { expect, test } from "bun:test";
import { MSG, MSGHDR } from "#ffi/abi/message.ts";
import {
  SECCOMP_DATA,
  SECCOMP_IOCTL_NOTIF,
  SECCOMP_NOTIF,
  SECCOMP_NOTIF_RESP,
  SECCOMP_USER_NOTIF_FLAG_CONTINUE,
} from "#ffi/abi/seccomp.ts";
import { ARCHITECTURES, linesOfC } from "./toolchain.ts";

const fields = (type: string, record: Readonly<Record<string, number>>, names: Readonly<Record<string, string>> = {}) =>
  Object.entries(record).map(
    ([key, value]) => [key === "size" ? `sizeof(${type})` : `offsetof(${type}, ${names[key] ?? key})`, value] as const,
  );

const EXPRESSIONS: readonly (readonly [inC: string, ours: number])[] = [
  ...Object.entries(MSG).map(([name, value]) => [`MSG_${name}`, value] as const),
  ...fields("struct msghdr", MSGHDR, {
    iov: "msg_iov",
    iovlen: "msg_iovlen",
    control: "msg_control",
    controllen: "msg_controllen",
    flags: "msg_flags",
  }),
  ...fields("struct seccomp_data", SECCOMP_DATA),
  ...fields("struct seccomp_notif", SECCOMP_NOTIF),
  ...fields("struct seccomp_notif_resp", SECCOMP_NOTIF_RESP),
  ["SECCOMP_IOCTL_NOTIF_RECV", SECCOMP_IOCTL_NOTIF.RECV],
  ["SECCOMP_IOCTL_NOTIF_SEND", SECCOMP_IOCTL_NOTIF.SEND],
  ["SECCOMP_USER_NOTIF_FLAG_CONTINUE", SECCOMP_USER_NOTIF_FLAG_CONTINUE],
  ["POLLIN", 1],
  ["POLLHUP", 16],
];

for (const architecture of ARCHITECTURES) {
  test(`${architecture}: messages and notifications are as in C`, () => {
    const lines = linesOfC(
      architecture,
      `#define _GNU_SOURCE
#include <stddef.h>
#include <stdio.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <linux/seccomp.h>
int main(void) {
${EXPRESSIONS.map(([inC]) => `  printf("%lu\\n", (unsigned long)(${inC}) & 0xffffffff);`).join("\n")}
  return 0;
}
`,
    );
    expect(lines.filter((line) => line !== "")).toEqual(EXPRESSIONS.map(([, ours]) => String(ours)));
  });
}
