/** Files, networks and machines: what jobs can be given beside their isolation. */
import { install, userName } from "./distribution.ts";
import { type Finding, type Host, isHostRoot, lack, well } from "./finding.ts";
import { atLeast, hasModule, releaseOf } from "./kernel.ts";

/** A writable layer over files that stay as they are. */
export function overlay(host: Host): Finding {
  const there = /^nodev\s+overlay$/m.test(host.text("/proc/filesystems"));
  if (!there && !hasModule(host, "overlay", "CONFIG_OVERLAY_FS"))
    return lack("warning", "Files", "overlayfs", {
      found: "the kernel has none",
      cost: "no job has a writable layer over a root file system",
      remedy: "sudo modprobe overlay, or boot a kernel with CONFIG_OVERLAY_FS",
    });
  if (atLeast(releaseOf(host), [5, 11])) return well("Files", "overlayfs", "there, in user namespaces too");
  return lack("warning", "Files", "overlayfs", {
    found: "there, but not in user namespaces",
    cost: "jobs of ordinary users have no writable layer over a root file system",
    remedy: "boot Linux 5.11 or newer",
  });
}

/** Files of writable mounts that keep their owners, whatever ids a job has. */
export function idMappedMounts(host: Host): Finding {
  if (!atLeast(releaseOf(host), [5, 12]))
    return lack("warning", "Files", "id-mapped mounts", {
      found: "the kernel has none",
      cost: "files that jobs write to their mounts belong to ids of the job's range",
      remedy: "boot Linux 5.12 or newer",
    });
  const root = isHostRoot(host);
  return well("Files", "id-mapped mounts", root ? "there" : "there, for root's jobs");
}

const NFTABLES = {
  apt: "nftables",
  dnf: "nftables",
  pacman: "nftables",
  apk: "nftables",
  zypper: "nftables",
} as const;

/** Packet rules: for networks beyond a job's own loopback. */
export function nftables(host: Host): Finding {
  const cost = "no network beyond a job's own loopback can be filtered or translated";
  const tool = host.program("nft");
  if (!hasModule(host, "nf_tables", "CONFIG_NF_TABLES"))
    return lack("warning", "Network", "nftables", {
      found: "the kernel has none, as far as it tells",
      cost,
      remedy: "sudo modprobe nf_tables, or boot a kernel with CONFIG_NF_TABLES",
    });
  if (tool !== undefined) return well("Network", "nftables", `in the kernel, with ${tool}`);
  return lack("warning", "Network", "nftables", {
    found: "in the kernel, but nft is not installed",
    cost,
    remedy: install(host, NFTABLES),
  });
}

/** Hardware for virtual machines. */
export function kvm(host: Host): Finding {
  const device = "/dev/kvm";
  const cost = "nothing for jobs; virtual machines are emulated, 15 to 60 times slower";
  if (host.may(device, "read") && host.may(device, "write")) return well("Machines", "kvm", device);
  if (host.exists(device)) {
    const user = userName(host, host.uid);
    return lack("warning", "Machines", "kvm", {
      found: `${device} is not for user ${user}`,
      cost,
      remedy: /^kvm:/m.test(host.text("/etc/group"))
        ? `sudo usermod --append --groups kvm ${user} # then log in anew`
        : `sudo setfacl -m u:${user}:rw ${device}`,
    });
  }
  const flags = /^(?:flags|Features)\s*:.*$/m.exec(host.text("/proc/cpuinfo"))?.[0] ?? "";
  const module = /\bvmx\b/.test(flags) ? "kvm_intel" : /\bsvm\b/.test(flags) ? "kvm_amd" : undefined;
  return lack("warning", "Machines", "kvm", {
    found: module ? `no ${device}, though the processor could` : `no ${device}`,
    cost,
    remedy: module
      ? `sudo modprobe ${module}`
      : "switch virtualization on in the firmware, or nested virtualization where this machine is virtual",
  });
}
