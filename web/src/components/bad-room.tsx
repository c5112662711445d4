import { Footer } from "./footer";
import { Header } from "./header";

/** Shown instead of a room when the address names one that cannot be. */
export function BadRoomPage({ name, reason }: { name: string; reason: string }) {
  return (
    <>
      <Header />
      <main class="page">
        <div class="notice standalone" role="alert">
          <h1>There is no such room</h1>
          <p class="bad-name">{name}</p>
          <p>{reason}</p>
          <div class="actions">
            <a class="button primary" href="./">
              Go to the welcome room
            </a>
          </div>
        </div>
      </main>
      <Footer />
    </>
  );
}
