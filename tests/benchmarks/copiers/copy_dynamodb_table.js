// npm's copy-dynamodb-table, by its own and only function, and with its defaults.

const fs = require("node:fs");
const { copy } = require("copy-dynamodb-table");

const task = JSON.parse(process.argv[process.argv.length - 1]);
const config = {
  region: process.env.AWS_REGION,
  endpoint: process.env.AWS_ENDPOINT_URL,
  accessKeyId: process.env.AWS_ACCESS_KEY_ID,
  secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY,
};

function copied(source, target) {
  return new Promise((resolve, reject) => {
    const tables = { config, source: { tableName: source }, destination: { tableName: target }, log: false };
    copy(tables, (error, result) => (error ? reject(error) : resolve(result.count)));
  });
}

function peakBytes() {
  return Number(/VmHWM:\s+(\d+)/.exec(fs.readFileSync("/proc/self/status", "ascii"))[1]) * 1024;
}

async function main() {
  await copied(task.warm, task.warm_target);
  const cpu = process.cpuUsage();
  const clock = process.hrtime.bigint();
  const items = await copied(task.source, task.target);
  const used = process.cpuUsage(cpu);
  const measured = {
    items,
    cpu_seconds: (used.user + used.system) / 1e6,
    seconds: Number(process.hrtime.bigint() - clock) / 1e9,
    peak_bytes: peakBytes(),
    parts: {},
  };
  process.stdout.write(JSON.stringify(measured) + "\n");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
