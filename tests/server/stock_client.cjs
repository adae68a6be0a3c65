// The stock JavaScript socket.io-client, as a bot would use it: node stock_client.cjs URL TOKEN TRANSPORTS.
// Prints one JSON object: the events in the order of their arrival, each order's mark and answer among them.
const { io } = require("socket.io-client");

const [url, token, transports] = process.argv.slice(2);
const log = [];
const orders = {};
let tick = -1;

const trace = (digit) => ({ __trace: true, traceparent: `00-${digit.repeat(32)}-${"b".repeat(16)}-01` });
const socket = io(url, { transports: transports.split(","), reconnection: false });

function order(name, event, payload, digit) {
  log.push({ event: "sent", order: name });
  return new Promise((resolve) => {
    socket.emit(event, trace(digit), payload, (...answer) => {
      log.push({ event: "ack", order: name });
      orders[name] = answer;
      resolve();
    });
  });
}

function reached(wanted) {
  return new Promise((resolve) => {
    const look = setInterval(() => {
      if (tick >= wanted) {
        clearInterval(look);
        resolve();
      }
    }, 2);
  });
}

socket.onAny((event, ...args) => {
  const payload = args[args.length - 1];
  const traced = args.length > 1 && args[0].__trace === true;
  const row = { event, traced };
  if (event === "gameStateUpdate") {
    if (payload.active && !payload.rugged) tick = payload.tickCount;
    row.snapshot = "prices" in payload;
  }
  if (event === "standard/newTrade") {
    row.player = payload.playerId;
    row.type = payload.type;
    row.trace = args[0].traceparent.slice(3, 35);
  }
  if (event === "playerUpdate") Object.assign(row, { cash: payload.cash, qty: payload.positionQty });
  if (event === "gameStatePlayerUpdate" && payload.leaderboardEntry) row.qty = payload.leaderboardEntry.positionQty;
  if (event === "currentSidebet") row.trace = args[0].traceparent.slice(3, 35);
  log.push(row);
});

socket.on("connect", async () => {
  const transport = () => socket.io.engine.transport.name;
  const first = transport();
  socket.emit("authenticate", trace("a"), { token });
  await reached(2);
  await order("buy", "buyOrder", { amount: 0.25 }, "1");
  await order("sell", "sellOrder", { percentage: 50 }, "2");
  await order(
    "sidebet",
    "requestSidebet",
    { amount: 0.01, coinAddress: "So11111111111111111111111111111111111111112", xPayout: 5 },
    "3",
  );
  await order("ping", "ping", { lastPing: 1.5 }, "4");
  await order("refused", "buyOrder", { amount: 0.01 * 0.01 }, "5");
  process.stdout.write(JSON.stringify({ transports: [first, transport()], orders, log }) + "\n", () => {
    socket.disconnect();
    process.exit(0);
  });
});
socket.on("connect_error", (error) => {
  process.stderr.write(`connect_error: ${error.message}\n`);
  process.exit(1);
});
setTimeout(() => {
  process.stderr.write(`timeout at tick ${tick}: ${JSON.stringify(log.slice(-5))}\n`);
  process.exit(2);
}, 60000).unref();
