/** Certificates made by the real openssl, in a folder of the test's own. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Issue {
  /** As `-subj` takes it: `/O=operator/CN=bob`. */
  readonly subject: string;
  readonly usage?: "clientAuth" | "serverAuth";
  /** `subjectAltName` of openssl's configuration. */
  readonly names?: string;
  /** Seconds from now; from an hour ago to an hour ahead when it is missing. */
  readonly from?: number;
  readonly to?: number;
}

/** One certificate with its key: apart, and together as the server takes them. */
export interface Issued {
  readonly cert: string;
  readonly key: string;
  readonly pem: string;
  /** SHA-256, small hex digits. */
  readonly fingerprint: string;
}

export interface Pki {
  readonly ca: string;
  issue(file: string, issue: Issue): Issued;
}

function openssl(...args: readonly string[]): string {
  return execFileSync("openssl", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

/** `YYMMDDHHMMSSZ`, seconds from now. */
function utcTime(seconds: number): string {
  const digits = new Date(Date.now() + seconds * 1000).toISOString().replaceAll(/\D/g, "");
  return `${digits.slice(2, 14)}Z`;
}

/** Makes an authority (P-384, as `tele cert init` does) below `dir`. */
export function makePki(dir: string, subject = "/CN=test authority"): Pki {
  mkdirSync(join(dir, "new"), { recursive: true });
  const at = (name: string): string => join(dir, name);
  writeFileSync(at("index.txt"), "");
  writeFileSync(
    at("ca.cnf"),
    `[ca]\ndefault_ca = d\n[d]\ndatabase = ${at("index.txt")}\nnew_certs_dir = ${at("new")}\nrand_serial = yes\n` +
      "unique_subject = no\ndefault_md = sha384\npolicy = any\n[any]\ncommonName = optional\norganizationName = optional\n" +
      "[req]\ndistinguished_name = dn\n[dn]\n[v3_ca]\nbasicConstraints = critical, CA:TRUE\n" +
      "keyUsage = critical, keyCertSign, cRLSign\n",
  );
  const ec = (file: string, curve: string): void =>
    void openssl("genpkey", "-algorithm", "EC", "-pkeyopt", `ec_paramgen_curve:${curve}`, "-out", at(file));
  ec("ca.key", "P-384");
  openssl(
    ..."req -x509 -new -sha384 -days 2 -extensions v3_ca -config".split(" "),
    at("ca.cnf"),
    "-key",
    at("ca.key"),
    "-subj",
    subject,
    "-out",
    at("ca.crt"),
  );
  return {
    ca: at("ca.crt"),
    issue(file, { subject: name, usage = "clientAuth", names, from = -3600, to = 3600 }) {
      const [key, cert, pem] = [at(`${file}.key`), at(`${file}.crt`), at(`${file}.pem`)];
      ec(`${file}.key`, "P-256");
      const extensions = [
        "basicConstraints = critical, CA:FALSE",
        "keyUsage = critical, digitalSignature",
        `extendedKeyUsage = ${usage}`,
        ...(names === undefined ? [] : [`subjectAltName = ${names}`]),
      ];
      writeFileSync(at(`${file}.ext`), `${extensions.join("\n")}\n`);
      openssl("req", "-new", "-config", at("ca.cnf"), "-key", key, "-subj", name, "-out", at(`${file}.csr`));
      const signed = ["-keyfile", at("ca.key"), "-cert", at("ca.crt"), "-in", at(`${file}.csr`), "-out", cert];
      const bounds = ["-extfile", at(`${file}.ext`), "-startdate", utcTime(from), "-enddate", utcTime(to)];
      openssl(..."ca -batch -notext -preserveDN -config".split(" "), at("ca.cnf"), ...signed, ...bounds);
      writeFileSync(pem, readFileSync(key, "utf8") + readFileSync(cert, "utf8"));
      const text = openssl("x509", "-in", cert, "-noout", "-fingerprint", "-sha256");
      const fingerprint = (text.split("=")[1] ?? "").trim().replaceAll(":", "").toLowerCase();
      return { cert, key, pem, fingerprint };
    },
  };
}
