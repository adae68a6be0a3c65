"use strict";
// A small Socket.IO client over one websocket, for machines without the stock one: what page.js uses of it.
const io = (url, { query = {}, reconnectionDelay = 50 } = {}) => {
  const handlers = new Map(), waiting = new Map();
  const tell = (name, args) => (handlers.get(name) || []).forEach((handler) => handler(...args));
  const given = new URLSearchParams({ ...query, EIO: "4", transport: "websocket" });
  const address = `${url.replace(/^http/, "ws")}/socket.io/?${given}`;
  let websocket = null, ids = 0, closed = false;
  const client = {
    connected: false,
    io: { engine: { close: () => websocket.close() } },
    on: (name, handler) => handlers.set(name, [...(handlers.get(name) || []), handler]),
    emit: (name, ...args) => {
      const answer = typeof args.at(-1) === "function" ? args.pop() : null;
      const id = answer === null ? "" : ids++;
      if (answer !== null) waiting.set(id, answer);
      if (client.connected) websocket.send(`42${id}${JSON.stringify([name, ...args])}`);
    },
    close: () => { closed = true; websocket.close(); },
  };
  const take = (text) => {
    if (text[0] === "0") websocket.send("40");
    else if (text === "2") websocket.send("3");
    else if (text.startsWith("40")) { client.connected = true; tell("connect", []); }
    else if (text.startsWith("41")) websocket.close();
    else if (/^4[23]/.test(text)) {
      const start = text.indexOf("["), id = Number(text.slice(2, start));
      const args = JSON.parse(text.slice(start));
      if (text[1] === "2") tell(args[0], args.slice(1));
      else if (waiting.has(id)) { waiting.get(id)(...args); waiting.delete(id); }
    }
  };
  const dial = () => {
    websocket = new WebSocket(address);
    websocket.onmessage = (message) => take(message.data);
    websocket.onclose = () => {
      if (client.connected) { client.connected = false; waiting.clear(); tell("disconnect", []); }
      if (!closed) setTimeout(dial, reconnectionDelay);
    };
  };
  dial();
  return client;
};
