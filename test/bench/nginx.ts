/** nginx with the certificates of a tele server: what the same handshakes and answers cost there. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { programPath } from "#test/support/needs.ts";
import { type Daemon, freePort } from "./daemon.ts";

/** Starts nginx answering every path with `body`; undefined when it is not installed. */
export async function startNginx(
  daemon: Daemon,
  body: string,
): Promise<{ url: string; port: number; stop: () => Promise<void> } | undefined> {
  const program = programPath("nginx") ?? programPath("/usr/sbin/nginx");
  if (program === undefined) return undefined;
  const folder = mkdtempSync(join(tmpdir(), "tele-bench-nginx-"));
  const port = await freePort();
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (kind) => `${kind}_temp_path ${folder}/${kind};`,
  );
  writeFileSync(join(folder, "body.json"), body);
  writeFileSync(
    join(folder, "nginx.conf"),
    `daemon off; master_process on; worker_processes auto; pid ${folder}/pid; error_log ${folder}/error.log;
user root;
events { worker_connections 1024; }
http {
  access_log off; ${temporary.join(" ")}
  keepalive_requests 10000000;
  server {
    listen 127.0.0.1:${port} ssl http2;
    ssl_protocols TLSv1.3;
    ssl_certificate ${daemon.serverPem}; ssl_certificate_key ${daemon.serverPem};
    ssl_client_certificate ${daemon.ca}; ssl_verify_client on;
    root ${folder};
    location / { default_type application/json; try_files /body.json =404; }
  }
}
`,
  );
  const child = spawn(program, ["-c", join(folder, "nginx.conf"), "-e", join(folder, "error.log")], {
    stdio: "ignore",
  });
  const gone = once(child, "exit");
  const url = `https://localhost:${port}`;
  return {
    url,
    port,
    stop: async () => {
      child.kill("SIGTERM");
      await gone;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
