// The colours: as the system has them, or as chosen. The choice is all that is remembered.
const root = document.documentElement;
const box = document.getElementById("theme");
const KEY = "frostline-theme";

/** @param {string} theme */
function show(theme) {
  if (theme === "auto") root.removeAttribute("data-theme");
  else root.setAttribute("data-theme", theme);
  for (const button of box?.querySelectorAll("button") ?? []) {
    button.setAttribute("aria-pressed", String(button.value === theme));
  }
}

/** Storage may be forbidden, as it is for files in some browsers. */
function remembered() {
  try {
    return localStorage.getItem(KEY) ?? "auto";
  } catch {
    return "auto";
  }
}

if (box) {
  box.hidden = false;
  box.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("button") : null;
    if (!button) return;
    show(button.value);
    try {
      localStorage.setItem(KEY, button.value);
    } catch {
      // It holds for this page.
    }
  });
}
show(remembered());
