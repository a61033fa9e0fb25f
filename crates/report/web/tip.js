// What a point is, beside the pointer at once: the browser's own titles take a second. Without this they stay.
const tip = document.createElement("div");
tip.className = "tip";
tip.hidden = true;
document.body.append(tip);

/** The shape under the pointer that says what it is. A title is taken off it, or the browser would show that as well. @param {Event} event */
function told(event) {
  const shape = event.target instanceof Element ? event.target.closest("[data-tip], svg.plot :has(> title)") : null;
  const title = shape?.querySelector(":scope > title");
  if (shape && title) {
    shape.setAttribute("data-tip", title.textContent ?? "");
    title.remove();
  }
  return shape;
}

document.addEventListener("pointermove", (event) => {
  const shape = told(event);
  tip.hidden = !shape;
  if (!shape) return;
  tip.textContent = shape.getAttribute("data-tip");
  const { offsetWidth: width, offsetHeight: height } = tip;
  const left = Math.min(event.clientX + 14, innerWidth - width - 8);
  const above = event.clientY - height - 12;
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${above > 4 ? above : event.clientY + 18}px`;
});
document.documentElement.addEventListener("pointerleave", () => (tip.hidden = true));
