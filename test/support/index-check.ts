/** Reads a job's index of output as it lies on disk. */
import { readFileSync, statSync } from "node:fs";
import type { Output } from "#runtime/jobs.ts";
import { decodeRecord, type IndexRecord, RECORD_BYTES } from "#runtime/output-index.ts";

/** Every record. Throws when they leave a byte of the data out, tell of one twice, or go back in time. */
export function wholeIndex({ dataPath, indexPath }: Output): IndexRecord[] {
  const bytes = new Uint8Array(readFileSync(indexPath));
  if (bytes.length % RECORD_BYTES !== 0) throw new Error(`an index of ${bytes.length} bytes ends in a torn record`);
  const records: IndexRecord[] = [];
  let [end, time] = [0, 0n];
  for (let at = 0; at < bytes.length; at += RECORD_BYTES) {
    const record = decodeRecord(bytes, at);
    if (record?.offset !== end) throw new Error(`record ${records.length} begins at ${record?.offset}, not at ${end}`);
    if (record.timeNs < time) throw new Error(`record ${records.length} is older than the one before`);
    [end, time] = [end + record.length, record.timeNs];
    records.push(record);
  }
  const { size } = statSync(dataPath);
  if (end !== size) throw new Error(`the index tells of ${end} bytes, the data has ${size}`);
  return records;
}
