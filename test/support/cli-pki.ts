/** Certificates for tests of the command line, made by openssl. */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Runs openssl in a folder and fails with what it said. */
function openssl(dir: string, ...args: string[]): void {
  execFileSync("openssl", args, { cwd: dir, stdio: ["ignore", "ignore", "pipe"] });
}

function key(dir: string, name: string): void {
  openssl(dir, "ecparam", "-name", "secp384r1", "-genkey", "-noout", "-out", `${name}.key`);
}

/** Makes an authority `NAME.crt` with `NAME.key`. */
export function makeAuthority(dir: string, name: string): void {
  mkdirSync(dir, { recursive: true });
  key(dir, name);
  openssl(
    dir,
    "req",
    "-x509",
    "-new",
    "-key",
    `${name}.key`,
    "-sha384",
    "-days",
    "3",
    "-subj",
    `/CN=${name}`,
    "-out",
    `${name}.crt`,
  );
}

/** What to put into a certificate. */
export interface Leaf {
  readonly name: string;
  readonly ca: string;
  readonly usage: "serverAuth" | "clientAuth";
  readonly san?: string;
  /** Days from now until its end; a negative number is a certificate that has expired. */
  readonly days?: number;
}

/** Makes `NAME.crt` with `NAME.key`, signed by an authority of the same folder. */
export function makeLeaf(dir: string, { name, ca, usage, san, days = 2 }: Leaf): void {
  key(dir, name);
  openssl(dir, "req", "-new", "-key", `${name}.key`, "-subj", `/CN=${name}`, "-out", `${name}.csr`);
  writeFileSync(join(dir, `${name}.ext`), `extendedKeyUsage=${usage}\n${san ? `subjectAltName=${san}\n` : ""}`);
  if (days > 0) {
    const dates = ["-days", String(days)];
    const serial = ["-set_serial", String(Math.floor(Math.random() * 2 ** 40))];
    openssl(
      dir,
      "x509",
      "-req",
      "-in",
      `${name}.csr`,
      "-CA",
      `${ca}.crt`,
      "-CAkey",
      `${ca}.key`,
      ...serial,
      ...dates,
      "-sha384",
      "-extfile",
      `${name}.ext`,
      "-out",
      `${name}.crt`,
    );
  } else {
    // `openssl x509` cannot set dates in the past before version 3.4; `openssl ca` can.
    writeFileSync(join(dir, "ca.cnf"), CA_CONFIG.replaceAll("@DIR@", dir));
    writeFileSync(join(dir, "index.txt"), "");
    const range = ["-startdate", "20200101000000Z", "-enddate", "20200102000000Z"];
    openssl(
      dir,
      "ca",
      "-batch",
      "-config",
      "ca.cnf",
      "-in",
      `${name}.csr`,
      "-cert",
      `${ca}.crt`,
      "-keyfile",
      `${ca}.key`,
      ...range,
      "-extfile",
      `${name}.ext`,
      "-notext",
      "-out",
      `${name}.crt`,
    );
  }
}

const CA_CONFIG = `[ca]
default_ca = one
[one]
new_certs_dir = @DIR@
database = @DIR@/index.txt
default_md = sha384
policy = any
rand_serial = yes
[any]
commonName = supplied
`;

/** Writes a config.json with one context that uses these files. */
export function writeContext(dir: string, server: string, files: { ca: string; cert: string; key: string }): void {
  const context = { server, ...files };
  writeFileSync(join(dir, "config.json"), JSON.stringify({ current: "default", contexts: { default: context } }));
}
