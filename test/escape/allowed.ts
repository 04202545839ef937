/** What a profile lets through on purpose. Whatever else leaks is a hole. */
import type { Profile } from "#spec/security.ts";

/** Probes that leak for one and the same reason. */
interface Allowed {
  readonly why: string;
  readonly probes: readonly string[];
  /** They leak on some kernels only: it depends on what those are built with and set to. */
  readonly somewhere?: true;
}

const names = (text: string): string[] => text.trim().split(/\s+/);

const DEV: readonly Allowed[] = [
  {
    why: "debuggers, emulators and other language's runtimes need these calls while they are worked on",
    probes: names("io-uring personality modify-ldt"),
  },
  {
    why: "the profile allows them; vm.unprivileged_userfaultfd and kernel.perf_event_paranoid, as usually set, do not",
    probes: names("userfaultfd perf-event-open"),
    somewhere: true,
  },
];

/** For trusted code: everything that root of the host may, in a tree that was read-only when it came. */
const HOST: readonly Allowed[] = [
  {
    why: "nothing of /proc and /sys is masked",
    probes: names(
      "masked-timer-list masked-kmsg masked-firmware kernel-addresses core-pattern proc-sys-write proc-write",
    ),
  },
  {
    why: "nothing of /proc and /sys is masked, and it depends on the kernel what there is",
    probes: names(`masked-kcore masked-keys masked-acpi masked-security kernel-debug-files efi-variables
      module-loader-path uevent-helper binary-formats sysrq-trigger sys-write`),
    somewhere: true,
  },
  {
    why: "its root is the host's root, to whom files, sockets and keys of the host are open",
    probes: names(`root-only-file etc-shadow foreign-uid user-keyring host-fifo host-fifo-elsewhere
      path-socket path-socket-elsewhere`),
  },
  {
    why: "it has CAP_SYS_ADMIN of the host, so it may change what is mounted in its own mount namespace",
    probes: names(`mount mount-bind remount-root remount-proc-sys mount-propagation fsopen open-tree move-mount
      mount-setattr umount-masks pivot-root nested-mounts nested-clone3 nested-proc nested-release-agent
      nested-cgroup2 setns-host-file mknod-elsewhere`),
  },
  {
    why: "it has CAP_SYS_PTRACE, CAP_SYS_NICE and CAP_SYS_ADMIN over its own PID 1",
    probes: names("ptrace-init memory-of-init init-mem-file steal-descriptors-of-init schedule-init setns-init"),
  },
  {
    why: "it keeps all capabilities of the host",
    probes: names(`ambient-capabilities capabilities bpf-program bpf-map perf-event-open userfaultfd
      open-by-handle-at syslog adjtimex settimeofday swapon acct fanotify realtime-priority`),
  },
  {
    why: "it keeps all capabilities of the host, and it depends on the kernel what they open",
    probes: names(`kexec-load kexec-file-load init-module finit-module delete-module quotactl oom-score raise-rlimit
      io-ports netlink-audit nested-sysfs nested-overlay nested-device af-alg
      tiocsti tiocsti-high-bit tiocsti-high-half controlling-terminal steal-terminal redirect-console`),
    somewhere: true,
  },
  { why: "it has no system call filter", probes: names("io-uring personality modify-ldt af-vsock") },
  {
    why: "it shares the host's network, ipc and uts namespaces",
    probes: names(`host-loopback host-address abstract-socket netlink-route netlink-sock-diag netlink-uevent
      raw-socket packet-socket sysv-shared-memory message-queue sethostname`),
  },
];

/** In every profile, where an ordinary user starts it: what root can close and it cannot. */
const ORDINARY_USER: readonly Allowed[] = [
  {
    why: "only root may map the owners of the host's tree away (mount_setattr(2)): whom its sockets let in, they let in",
    probes: names("host-fifo host-fifo-elsewhere path-socket path-socket-elsewhere"),
  },
  {
    why: "nothing limits a user without a delegated cgroup",
    probes: names(`fork-bomb files-in-tmp files-in-shm files-in-run dentries memory
      space-in-tmp space-in-shm space-in-dev`),
    somewhere: true,
  },
];

const ALLOWED: Readonly<Record<Profile, readonly Allowed[]>> = { strict: [], default: [], dev: DEV, host: HOST };

/** Everything that this one may let through. */
export function allowedFor({
  profile,
  user,
}: {
  readonly profile: Profile;
  readonly user?: unknown;
}): readonly Allowed[] {
  return user === undefined ? ALLOWED[profile] : [...ALLOWED[profile], ...ORDINARY_USER];
}

/** Probes that leak on every kernel. Where one does not, the table is wrong. */
export function always(allowed: readonly Allowed[]): string[] {
  return allowed.filter(({ somewhere }) => !somewhere).flatMap(({ probes }) => probes);
}
