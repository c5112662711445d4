/** The foot of every page. */
export function Footer() {
  return (
    <footer class="footer">
      <p>
        Greenroom is a realtime room server. This page is an ordinary guest: it comes in through the
        same door as your code, and everything on it travels through the server.
      </p>
      <p>
        <a href="./licences.txt">Licences of the parts of this page</a>
      </p>
    </footer>
  );
}
