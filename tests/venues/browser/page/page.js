"use strict";
// What the venue's page does: log in, ping once a second, and send what is pressed.
const show = (id, text) => { document.getElementById(id).textContent = text; };
const hex = (bytes) => Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (b) => b.toString(16).padStart(2, "0")).join("");
const trace = () => ({ __trace: true, traceparent: `00-${hex(16)}-${hex(8)}-01` });
const stats = { pings: 0, pongs: 0, acks: 0, refused: 0, clicks: [], connects: 0, errors: 0 };
addEventListener("error", () => { stats.errors += 1; });

const backend = window.BACKEND;
const socket = io(backend, {
  transports: ["websocket"], query: { "frontend-version": "1.0" },
  reconnectionDelay: 50, reconnectionDelayMax: 300,
});
const logIn = () => {
  const token = localStorage.getItem("token");
  if (token) socket.emit("authenticate", trace(), { token });
};
let last = 0;
setInterval(() => {
  if (!socket.connected) return;
  const at = performance.now();
  stats.pings += 1;
  socket.emit("ping", { lastPing: last }, () => { last = performance.now() - at; stats.pongs += 1; });
}, 1000);
socket.on("connect", () => { stats.connects += 1; show("state", "online"); logIn(); });
// The stock client does not connect again by itself after a server's own "41" or "44".
const again = () => {
  if (socket.active === false) setTimeout(() => { if (socket.connected) socket.disconnect(); socket.connect(); }, 50);
};
socket.on("disconnect", () => { show("state", "offline"); again(); });
socket.on("connect_error", again);
socket.on("usernameStatus", (_, status) => show("state", status.id));
socket.on("gameStateUpdate", (game) => {
  show("game", game.gameId);
  if (game.tickCount !== undefined) show("tick", game.tickCount);
  if (game.price !== undefined) show("price", game.price);
});

const stake = () => Number(document.getElementById("stake").value);
const press = (id, event, payload) => document.getElementById(id).addEventListener("click", () => {
  const given = trace();
  stats.clicks.push([id, performance.timeOrigin + performance.now(), given.traceparent.slice(3, 35)]);
  socket.emit(event, given, payload(), (answer) => {
    stats.acks += 1;
    if (answer && answer.success === false) stats.refused += 1;
  });
});
press("buy", "buyOrder", () => ({ amount: stake() }));
press("sell", "sellOrder", () => ({ percentage: 100 }));
press("quarter", "sellOrder", () => ({ percentage: 25 }));
press("sidebet", "requestSidebet", () => ({ amount: stake(), xPayout: 5 }));
document.getElementById("login").addEventListener("click", () => {
  localStorage.setItem("token", document.getElementById("token").value);
  logIn();
});

// The test's remote hand: a websocket that is none of the venue's.
const hand = new WebSocket(`ws://${location.host}/hand`);
hand.onmessage = (message) => {
  const [what, value] = JSON.parse(message.data);
  const answer = () => hand.send(JSON.stringify(stats));
  if (what === "press") { document.getElementById(value).click(); answer(); }
  if (what === "login") { document.getElementById("token").value = value; document.getElementById("login").click(); answer(); }
  if (what === "look") answer();
  if (what === "hang") { answer(); const until = Date.now() + Number(value); while (Date.now() < until); }
  if (what === "drop") { socket.io.engine.close(); answer(); }
  if (what === "second") { window.second = io(backend, { transports: ["websocket"], forceNew: true }); answer(); }
  if (what === "single") { window.second.close(); answer(); }
  if (what === "reload") { answer(); location.reload(); }
  if (what === "go") { answer(); location.href = value; }
};
