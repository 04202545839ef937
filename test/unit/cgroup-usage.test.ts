import { expect, test } from "bun:test";
import { blkioBytes, ioStat } from "#host/cgroup/usage.ts";

test("io.stat is summed over disks, without those that are made of others", () => {
  const text = "254:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n253:0 rbytes=4096 wbytes=8192\n8:0\n";
  expect(ioStat(text, new Set(["253:0"]))).toEqual({ ioReadBytes: 4096, ioWriteBytes: 8192 });
  expect(ioStat("", new Set())).toEqual({ ioReadBytes: 0, ioWriteBytes: 0 });
  expect(ioStat(undefined, new Set())).toEqual({});
});

test("blkio counts are summed over disks, and the totals are not added once more", () => {
  const text = "254:0 Read 10\n254:0 Write 20\n254:0 Sync 30\n254:0 Total 30\n8:0 Read 1\n8:0 Write 2\nTotal 33\n";
  expect(blkioBytes(text, new Set())).toEqual({ ioReadBytes: 11, ioWriteBytes: 22 });
  expect(blkioBytes(text, new Set(["8:0"]))).toEqual({ ioReadBytes: 10, ioWriteBytes: 20 });
  expect(blkioBytes(undefined, new Set())).toEqual({});
});
