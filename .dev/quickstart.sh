#!/bin/sh
# npm run quickstart: everything from nothing to a job's output, in a directory that is removed at the end.
set -eu
cd "$(dirname "$0")/.."
. .dev/modules.sh

[ "$(id -u)" = 0 ] || { echo "quickstart: namespaces and cgroups need root: sudo npm run quickstart" >&2; exit 1; }
command -v curl >/dev/null || { echo "quickstart: curl is missing: apt-get install curl" >&2; exit 1; }

bold='' faint='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$(printf '\033[1m') faint=$(printf '\033[2m') plain=$(printf '\033[0m'); fi
say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
typed() { printf '%s$ %s%s\n' "$faint" "$*" "$plain"; }

dir=$(mktemp -d)
server=
over() {
  status=$?
  trap - EXIT
  if [ -n "$server" ] && kill -TERM "$server" 2>/dev/null; then wait "$server" 2>/dev/null || :; fi
  if [ $status -ne 0 ]; then
    echo "quickstart: failed; the server said:" >&2
    tail -n 20 "$dir/serve.log" >&2 2>/dev/null || :
  fi
  rm -rf "$dir"
  exit $status
}
trap over EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Everything this run writes is below $dir; without these it would be /etc/tele and /var/lib/tele.
export TELE_CONFIG_DIR="$dir/config" TELE_STATE_DIR="$dir/state"
port=$(bun -e 'const s=require("node:net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})')
PATH="$PWD/dist:$PATH"

say "1. Build one file"
typed npm run build
bun .dev/build.ts

say "2. Certificates: an authority, the server's, and yours (user admin)"
typed tele cert init
tele cert init --server "https://localhost:$port" >"$dir/init.log" 2>&1 || { cat "$dir/init.log" >&2; exit 1; }
sed 's/^/  /' "$dir/init.log"

say "3. Serve"
typed "tele serve &"
tele serve --listen "127.0.0.1:$port" --cgroup-name "tele-quickstart-$$" >"$dir/serve.log" 2>&1 &
server=$!
ready=
for _ in $(seq 100); do
  if tele ps >/dev/null 2>"$dir/ps.log"; then ready=yes; break; fi
  kill -0 "$server" 2>/dev/null || break
  sleep 0.1
done
[ -n "$ready" ] || { cat "$dir/ps.log" >&2; echo "quickstart: the server does not answer" >&2; exit 1; }
head -n 5 "$dir/serve.log" | sed 's/^/  /'

say "4. A job that works: hash every file below /usr/lib, with two CPUs"
work='find /usr/lib -type f -print0 | sort -z | xargs -0 sha256sum'
# Wider than the defaults: a tenth of a CPU would take ten times as long, and a cold disk is read at its own speed.
limits='--cpus 2 --memory 1Gi --io rbps=10Gi,riops=1000000'
typed "tele start $limits -- /bin/sh -c \"$work\""
# shellcheck disable=SC2086
job=$(tele start $limits -- /bin/sh -c "$work")
echo "  $job"
typed "tele watch $job >job.out; tail -n 2 job.out"
tele watch "$job" >"$dir/job.out"
tail -n 2 "$dir/job.out" | sed 's/^/  /'
typed "tele status $job"
tele status "$job" | sed 's/^/  /'

say "5. Is it what the host says? The same command here, with the same clean environment"
typed "env -i PATH=\"\$PATH\" sh -c \"$work\" | cmp - job.out"
env -i PATH="$PATH" sh -c "$work" >"$dir/host.out"
[ -s "$dir/host.out" ]
cmp "$dir/host.out" "$dir/job.out"
echo "  $(wc -l <"$dir/job.out") files, $(wc -c <"$dir/job.out") bytes of output: the same, byte for byte"

say "6. The same API with curl"
ca="$dir/config/ca.crt" pem="$dir/config/clients/admin.pem"
url="https://localhost:$port/v1/jobs"
typed "curl --cacert ca.crt --cert admin.pem --key admin.pem $url -d '{\"command\":[…]}'"
curl -sS --fail-with-body --cacert "$ca" --cert "$pem" --key "$pem" "$url?jobId=greeting" \
  -H 'content-type: application/json' \
  -d '{"command":["/bin/sh","-c","sleep 1 && echo hello tele | tee /tmp/greeting"]}' | head -c 300 | sed 's/^/  /'
echo
typed "curl … $url/greeting:watch"
curl -sS --fail-with-body --cacert "$ca" --cert "$pem" --key "$pem" "$url/greeting:watch" | tee "$dir/greeting" | sed 's/^/  /'
[ "$(cat "$dir/greeting")" = "hello tele" ]

say "7. Stop one that would go on for ever"
typed "tele start -- sleep infinity"
job=$(tele start -- sleep infinity)
echo "  $job"
typed "tele stop $job; tele ps --all"
tele stop "$job" >/dev/null
tele ps --all | sed 's/^/  /'

say "It works. Everything it made is gone again."
cat <<END
Next, to keep it:
  sudo install dist/tele /usr/local/bin/
  sudo tele cert init && sudo tele serve --print-unit | sudo tee /etc/systemd/system/tele.service
  sudo systemctl enable --now tele
  tele watch \$(tele start -- /bin/sh -c 'id; ls /')
  tele help
END
