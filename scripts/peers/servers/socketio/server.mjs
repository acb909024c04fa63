// Socket.IO: what a client publishes goes to the room's others, by way of no database.
// RECOVERY=1 turns on connectionStateRecovery, which keeps what was sent in memory for two minutes.
import http from "node:http";
import { Server } from "socket.io";

const { PORT, RECOVERY } = process.env;
const recovery = { connectionStateRecovery: { maxDisconnectionDuration: 120_000 } };
const server = http.createServer();
const io = new Server(server, {
  transports: ["websocket"],
  serveClient: false,
  ...(RECOVERY ? recovery : {}),
});
io.on("connection", (socket) => {
  socket.on("subscribe", (room, answer) => {
    socket.join(room);
    answer("ok");
  });
  socket.on("publish", (room, note, answer) => {
    io.to(room).emit("note", note);
    answer("ok");
  });
});
const where = { port: Number(PORT), host: "127.0.0.1", backlog: 2048 };
server.listen(where, () => console.log("READY"));
