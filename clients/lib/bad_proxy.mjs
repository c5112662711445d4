// A proxy that does to connections what bad networks do: it delays what passes, cuts, and sends what
// a connection sent a second time on another.

import net from "node:net";

const DELAY_MS_MAX = 60;

/** One proxy before a server; it has a server's `url`, for clients to connect through it. */
export class BadProxy {
  #server;
  #random;
  #listener;
  #pairs = new Set();
  /** Nothing bad happens any more. */
  calm = false;
  /** How often it did what. */
  done = { delayed: 0, cut: 0, repeated: 0 };

  static async before(server, random) {
    const proxy = new BadProxy();
    proxy.#server = server;
    proxy.#random = random;
    proxy.#listener = net.createServer((client) => proxy.#pass(client));
    await new Promise((resolve) => proxy.#listener.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  url(scheme, path) {
    return `${scheme}://127.0.0.1:${this.#listener.address().port}${path}`;
  }

  #pass(client) {
    const pair = { client, server: this.#connect(), sent: [] };
    this.#pairs.add(pair);
    client.on("data", (data) => pair.sent.push(data));
    this.#forward(client, pair.server);
    this.#forward(pair.server, client);
    const end = () => {
      this.#pairs.delete(pair);
      client.destroy();
      pair.server.destroy();
    };
    for (const socket of [client, pair.server]) {
      socket.on("close", end);
      socket.on("error", () => {});
    }
  }

  #connect() {
    const [host, port] = this.#server.host.split(":");
    return net.connect(Number(port), host);
  }

  /** In order, and each piece late by itself: those behind it wait. */
  #forward(from, to) {
    let last = Promise.resolve();
    from.on("data", (data) => {
      const delay = this.calm ? 0 : this.#random.below(DELAY_MS_MAX);
      if (delay > 0) this.done.delayed += 1;
      const late = new Promise((resolve) => setTimeout(resolve, delay));
      last = Promise.all([last, late]).then(() => to.writable && to.write(data));
    });
  }

  get #some() {
    return this.#random.of([...this.#pairs]);
  }

  /** Cuts a connection, with whatever is under way in it. */
  cut() {
    const pair = this.#some;
    if (pair === undefined) return;
    this.done.cut += 1;
    pair.client.destroy();
    pair.server.destroy();
  }

  /** Sends all that a connection has sent so far once more, as another one that is then cut. */
  repeat() {
    const pair = this.#some;
    if (pair === undefined) return;
    this.done.repeated += 1;
    const twin = this.#connect();
    twin.on("error", () => {});
    twin.resume();
    twin.end(Buffer.concat(pair.sent));
  }

  close() {
    this.#listener.close();
    for (const { client, server } of this.#pairs) {
      client.destroy();
      server.destroy();
    }
  }
}
