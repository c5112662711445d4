// Hocuspocus as its documentation sets it up: its own server, and its SQLite extension when
// SQLITE_FILE names a file. Everything else is at its defaults.
import { SQLite } from "@hocuspocus/extension-sqlite";
import { Server } from "@hocuspocus/server";

const file = process.env.SQLITE_FILE;
const server = new Server({
  address: "127.0.0.1",
  port: Number(process.env.PORT),
  quiet: true,
  extensions: file ? [new SQLite({ database: file })] : [],
});
await server.listen();
