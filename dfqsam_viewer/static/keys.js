// Keys of the page; which key does what comes from the viewer (state "keys"). Nothing typed reaches VTK, where
// single letters would do other things.
(() => {
  const named = (event) => {
    const key = { Delete: "Del", Escape: "Esc" }[event.key] ?? event.key;
    const letter = key.length === 1 ? key.toUpperCase() : key;
    return (event.ctrlKey || event.metaKey ? "Ctrl+" : "") + letter;
  };
  const isTyping = (element) =>
    element instanceof Element && element.matches("input:not([type=range]):not([type=checkbox]), textarea, select");
  // Nothing is changed behind a dialog, or on the page that is not shown.
  const isHidden = (action) => {
    if (action === "cancel" || action === "keys") return false;
    if (document.querySelector(".veil")) return true;
    return window.trame.state.get("page") !== "segment" && action !== "open" && action !== "save";
  };
  // Sliders and the strip go by these keys themselves: with one of them, Home marks no end of a segment.
  const slider = "input[type=range], [role=slider]";
  const isOfSlider = (event) =>
    event.target instanceof Element && event.target.matches(slider) && /^(Home|End|Arrow|Page)/.test(event.key);
  window.addEventListener(
    "keydown",
    (event) => {
      const typing = isTyping(event.target);
      if (typing && event.key !== "Escape") return;
      const known = window.trame?.state.get("keys")?.find((entry) => entry.key === named(event));
      const isInPicture = event.target instanceof Element && event.target.closest(".view") && !event.target.closest(".strip");
      if (isInPicture) event.stopPropagation();
      if (!known || event.altKey || isOfSlider(event)) return;
      // Space and Enter press the button that has the focus; all other keys are the viewer's.
      event.preventDefault();
      event.stopPropagation();
      if (isHidden(known.action)) return;
      if (typing) event.target.blur();
      // A key that is held goes no faster than the viewer: one press waits while one is done.
      if (event.repeat && window.dfqsamOrder.unanswered() > 1) return;
      // Pressed twice, because a dialog closes late, it cancels nothing behind that.
      const action = known.action === "cancel" && document.querySelector(".veil") ? "close dialog" : known.action;
      window.trame.trigger("do", [action]);
    },
    true,
  );
  // What the library draws has no words of its own: a view is named beside its picture. A dialog takes the focus.
  const complete = () => {
    for (const image of document.querySelectorAll(".view img:not([alt])")) image.alt = "";
    for (const area of document.querySelectorAll(".view [tabindex]:not([aria-label]):not(button):not(input)")) {
      area.setAttribute("role", "group");
      area.setAttribute("aria-label", `${area.closest(".view").id.slice(5)} view`);
    }
    const dialog = document.querySelector(".dialog");
    if (dialog && !dialog.contains(document.activeElement))
      (dialog.querySelector("input, .files button, button:enabled") ?? dialog).focus();
  };
  new MutationObserver(complete).observe(document.documentElement, { childList: true, subtree: true });
  // The second press of a double click is meant for what the first one was on. Where another thing has come in its place,
  // a dialog or the picture behind one, it is for nothing.
  let pressed, isOther = false, isSoon = false;
  window.addEventListener(
    "pointerdown",
    (event) => {
      const { target, clientX: x, clientY: y, timeStamp: at } = event;
      isOther = pressed && Math.hypot(x - pressed.x, y - pressed.y) < 5 && !pressed.thing.contains(target);
      isSoon = pressed && at - pressed.at < 500;
      pressed = { thing: target.closest("button, li, label, .view, .veil") ?? target, x, y, at };
    },
    true,
  );
  for (const kind of ["pointerdown", "click", "dblclick"])
    window.addEventListener(
      kind,
      (event) => {
        // Pictures hear of a press before the browser has counted it. The keyboard's presses are not counted.
        const isSecond = event.type === "pointerdown" ? isSoon && event.target.closest(".view") : event.detail > 1;
        if (!isOther || !isSecond) return;
        event.preventDefault();
        event.stopImmediatePropagation();
      },
      true,
    );
  // What the mouse has moved keeps no keys: they are the viewer's again.
  window.addEventListener("pointerup", () => document.activeElement?.matches(slider) && document.activeElement.blur());
  for (const kind of ["keypress", "keyup"])
    window.addEventListener(
      kind,
      (event) => event.target instanceof Element && event.target.closest(".view") && event.stopPropagation(),
      true,
    );
})();
