// The official verifier's way: node and seedrandom, a new generator for each game. Reads a JSON list of keys
// from the file of its first argument; for each line of standard input, plays them all and prints the seconds
// of CPU time; writes four doubles per game (peak, lowest, last, prices) to the file of its second argument.
const fs = require("fs");
const seedrandom = require("seedrandom");

function next(price, r) {
  if (r() < 0.00001 && price <= 100) return price * 10;
  let change = 0;
  if (r() < 0.125) {
    const size = 0.15 + r() * (0.25 - 0.15);
    change = r() > 0.5 ? size : -size;
  } else {
    const drift = -0.02 + r() * (0.03 - -0.02);
    change = drift + 0.005 * Math.min(10, Math.sqrt(price)) * (2 * r() - 1);
  }
  const moved = price * (1 + change);
  return moved < 0 ? 0 : moved;
}

function play(key, out, at) {
  const r = new seedrandom(key);
  let price = 1, peak = 1, low = 1, count = 1;
  for (let tick = 0; tick < 5000; tick++) {
    if (r() < 0.005) break;
    price = next(price, r);
    count++;
    if (price > peak) peak = price;
    if (price < low) low = price;
  }
  out[at] = peak; out[at + 1] = low; out[at + 2] = price; out[at + 3] = count;
}

const keys = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const out = new Float64Array(4 * keys.length);
require("readline").createInterface({ input: process.stdin }).on("line", () => {
  const before = process.cpuUsage();
  for (let i = 0; i < keys.length; i++) play(keys[i], out, 4 * i);
  const used = process.cpuUsage(before);
  fs.writeFileSync(process.argv[3], Buffer.from(out.buffer));
  console.log((used.user + used.system) / 1e6);
});
