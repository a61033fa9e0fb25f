// A served page asks again for itself when something has changed. What is said is a version, not data; and what runs now.
const main = document.querySelector("main[data-live]");

/** @param {Element} main */
function follow(main) {
  const events = new EventSource(main.getAttribute("data-live") ?? "/events");
  let known = "";
  let busy = false;
  events.addEventListener("message", async (event) => {
    const said = JSON.parse(event.data);
    const version = String(said.version ?? said);
    const now = document.getElementById("now");
    if (now) now.textContent = said.now ?? "";
    if (version === known || busy || document.hidden) return;
    if (known === "") {
      known = version;
      return;
    }
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (answer.ok) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const fresh = page.querySelector("main");
        const state = page.querySelector("header.top .state");
        const open = [...main.querySelectorAll("details")].map((details) => details.open);
        // Scripts have worked on what is there: where a field is in use, nothing is taken away from under it.
        if (fresh && !main.contains(document.activeElement)) {
          main.replaceChildren(...fresh.childNodes);
          [...main.querySelectorAll("details")].forEach((details, number) => (details.open = open[number] ?? false));
        }
        if (state) document.querySelector("header.top .state")?.replaceWith(state);
        known = version;
      }
    } finally {
      busy = false;
    }
  });
}

if (main) follow(main);
