import { plan } from "#program/compose.ts";
import { assemble } from "#program/assemble.ts";
import { decodeMessage } from "#program/report.ts";
import { JobSpecSchema, effectiveLimits } from "#spec/schema.ts";
import { launch } from "#runtime/launch.ts";
import { call, scratch } from "#ffi/call.ts";
import { openSync, closeSync } from "node:fs";
const spec = JobSpecSchema.parse({command:["/bin/true"]});
const input={spec, limits: effectiveLimits(spec.limits), identity:{uid:0,gid:0,groups:[],home:"/root"}, facts:{ignoredSignals:[13,25],lastCapability:40,nofileHard:20000,hide:["/etc/tele"],cgroup:{v2:false,v1:0}}};
const nul = openSync("/dev/null","r");
const mem = scratch(65536*2);
const T:Record<string,number[]>={plan:[],asm:[],blocked:[],started:[],ended:[],total:[]};
for(let i=0;i<400;i++){
  const rec = openSync("/tmp/rec.bin","w");
  const t0=performance.now();
  const p = plan(input); const t1=performance.now();
  const tether = assemble(p,"x86_64"); const t2=performance.now();
  const l = launch({tether, namespaces:p.namespaces, record:rec, stdin:nul, cgroup:[]}); const t3=performance.now();
  call("fcntl", l.report, 4, 0);
  mem.reset(); const buf=mem.room(24);
  call("read", l.report, buf.address, 24); const t4=performance.now();
  call("read", l.report, buf.address, 24); const t5=performance.now();
  call("pidfd_send_signal", l.pidfd, 40, 0, 0);
  const info=mem.room(128); call("waitid",3,l.pidfd,info.address,4,0);
  const t6=performance.now();
  for(const f of [l.report,l.stdout,l.stderr,l.pidfd]) call("close",f); closeSync(rec);
  if(i<50) continue;
  T.plan!.push(t1-t0);T.asm!.push(t2-t1);T.blocked!.push(t3-t2);T.started!.push(t4-t3);T.ended!.push(t5-t4);T.total!.push(t6-t2);
}
for(const [k,v] of Object.entries(T)){ v.sort((a,b)=>a-b); console.log(k.padEnd(8), "p10",v[Math.floor(v.length*.1)]!.toFixed(3),"p50",v[Math.floor(v.length/2)]!.toFixed(3),"p95",v[Math.floor(v.length*.95)]!.toFixed(3)); }
