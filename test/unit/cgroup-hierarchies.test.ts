import { describe, expect, test } from "bun:test";
import { readHierarchies } from "#host/cgroup/hierarchies.ts";

const mount = (root: string, point: string, type: string, options: string): string =>
  `36 31 0:33 ${root} ${point} rw,nosuid shared:9 - ${type} ${type} ${options}`;

describe("readHierarchies", () => {
  test("a unified host is v2 and shows our own cgroup", () => {
    const found = readHierarchies(
      mount("/", "/sys/fs/cgroup", "cgroup2", "rw,nsdelegate"),
      "0::/system.slice/tele.service\n",
    );
    expect(found).toEqual({
      layout: "v2",
      v1: [],
      v2: { version: 2, mount: "/sys/fs/cgroup", own: "/sys/fs/cgroup/system.slice/tele.service", controllers: [] },
    });
  });

  test("a hybrid host has both, and co-mounted controllers are one hierarchy", () => {
    const found = readHierarchies(
      [
        mount("/", "/sys/fs/cgroup/unified", "cgroup2", "rw"),
        mount("/", "/sys/fs/cgroup/cpu,cpuacct", "cgroup", "rw,cpu,cpuacct"),
        mount("/", "/sys/fs/cgroup/blkio", "cgroup", "rw,blkio"),
        mount("/", "/sys/fs/cgroup/systemd", "cgroup", "rw,xattr,name=systemd"),
      ].join("\n"),
      "4:blkio:/a\n3:cpu,cpuacct:/b\n2:name=systemd:/c\n0::/\n",
    );
    expect(found.layout).toBe("hybrid");
    expect(found.v2?.own).toBe("/sys/fs/cgroup/unified");
    expect(found.v1).toEqual([
      {
        version: 1,
        mount: "/sys/fs/cgroup/cpu,cpuacct",
        own: "/sys/fs/cgroup/cpu,cpuacct/b",
        controllers: ["cpu", "cpuacct"],
      },
      { version: 1, mount: "/sys/fs/cgroup/blkio", own: "/sys/fs/cgroup/blkio/a", controllers: ["io"] },
    ]);
  });

  test("only v1 hierarchies make a v1 host; a named one without controllers is none", () => {
    expect(readHierarchies(mount("/", "/c/memory", "cgroup", "rw,memory"), "").layout).toBe("v1");
    expect(readHierarchies(mount("/", "/c/systemd", "cgroup", "rw,name=systemd"), "").layout).toBe("none");
  });

  test("a bind mount of our own part is followed, a cgroup outside of it is not", () => {
    const line = mount("/docker/abc", "/sys/fs/cgroup", "cgroup2", "ro");
    expect(readHierarchies(line, "0::/docker/abc/inner").v2?.own).toBe("/sys/fs/cgroup/inner");
    expect(readHierarchies(line, "0::/docker/abcdef").v2).not.toHaveProperty("own");
    expect(readHierarchies(line, "0::/../other").v2).not.toHaveProperty("own");
    expect(readHierarchies(line, "0::/docker/abc/x (deleted)").v2).not.toHaveProperty("own");
  });

  test("of two mounts the one that shows us wins, and a later one hides an earlier one on the same directory", () => {
    const narrow = mount("/other", "/mnt/other", "cgroup2", "rw");
    const wide = mount("/", "/mnt/all", "cgroup2", "rw");
    expect(readHierarchies(`${narrow}\n${wide}`, "0::/me").v2?.mount).toBe("/mnt/all");
    const hidden = mount("/", "/sys/fs/cgroup", "cgroup", "rw,memory");
    const over = mount("/", "/sys/fs/cgroup", "tmpfs", "rw");
    expect(readHierarchies(`${hidden}\n${over}`, "").layout).toBe("none");
  });

  test("spaces in mount points are written in octal", () => {
    expect(readHierarchies(mount("/", "/mnt/a\\040b\\134c", "cgroup2", "rw"), "0::/").v2?.mount).toBe("/mnt/a b\\c");
  });

  test("junk is passed over", () => {
    const junk = [
      "",
      "-",
      "garbage",
      "1 2 3 / relative rw - cgroup2 x rw",
      "1 2 3 / /p rw -",
      "\0\x01 - - - - - - -",
      " ".repeat(500),
    ];
    expect(readHierarchies(junk.join("\n"), "x\n::\n0:\n:::/\n9:memory:relative").layout).toBe("none");
    const good = mount("/", "/sys/fs/cgroup", "cgroup2", "rw");
    expect(readHierarchies([...junk, good, ...junk].join("\n"), "\n0::/\n").v2?.own).toBe("/sys/fs/cgroup");
  });
});
